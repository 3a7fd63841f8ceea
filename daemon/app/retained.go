package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"sensed/daemon/atomicfile"
	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
)

// maxRetained bounds the file of what is retained.
const maxRetained = 1 << 20

// retained is what brokers may keep of a node: nobody else can tell, after a
// restart with another configuration, what is to be taken back.
type retained struct {
	Version  int               `json:"version"`
	Topics   []string          `json:"topics"`             // sorted
	Entities map[string]string `json:"entities,omitempty"` // of Home Assistant: platforms by key
}

// parseRetained reads the content of a file.
func parseRetained(data []byte) (retained, error) {
	var r retained
	if len(data) > maxRetained {
		return r, fmt.Errorf("over %d bytes are too much", maxRetained)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return retained{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return retained{}, errors.New("something follows the closing brace")
	}
	if r.Version != event.Version {
		return retained{}, fmt.Errorf("version is %d, not %d", r.Version, event.Version)
	}
	return r, nil
}

func (r retained) equal(o retained) bool {
	return slices.Equal(r.Topics, o.Topics) && maps.Equal(r.Entities, o.Entities)
}

// with is both together; of an entity in both, that of o counts.
func (r retained) with(o retained) retained {
	out := retained{Version: event.Version, Topics: append(slices.Clone(r.Topics), o.Topics...), Entities: map[string]string{}}
	slices.Sort(out.Topics)
	out.Topics = slices.Compact(out.Topics)
	maps.Copy(out.Entities, r.Entities)
	maps.Copy(out.Entities, o.Entities)
	return out
}

// keeper remembers what is retained, in a small file that is written only when a
// configuration says other topics than the one before.
type keeper struct {
	path string // "": across reloads only
	log  *slog.Logger

	mu   sync.Mutex
	have retained // what brokers may keep
	now  retained // what the present configuration says
	told bool     // Home Assistant knows, since its start, what was removed
}

// maxRemoved bounds how many entities are remembered that are not there any more:
// where there is no Home Assistant, nobody ever hears of them.
const maxRemoved = 500

func openKeeper(path string, log *slog.Logger) *keeper {
	k := &keeper{path: path, log: log}
	if path == "" {
		return k
	}
	data, err := os.ReadFile(path)
	if err == nil {
		k.have, err = parseRetained(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("what brokers keep of earlier configurations cannot be read; it stays there", "file", path, "err", err)
	}
	return k
}

// begin notes what a configuration says from now on, and returns what was there
// before: the topics to be taken back, and all entities.
func (k *keeper) begin(now retained) (gone []string, before retained) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before = k.have
	for _, topic := range before.Topics {
		if !slices.Contains(now.Topics, topic) {
			gone = append(gone, topic)
		}
	}
	k.now, k.told = now, false
	k.set(before.with(now))
	return gone, before
}

// knows notes that Home Assistant has started and heard of what was removed.
func (k *keeper) knows() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = true
}

// settle forgets what the broker has forgotten, and the entities of which Home
// Assistant knows that they are gone.
func (k *keeper) settle(said func(topic string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, topic := range k.have.Topics {
		if !slices.Contains(k.now.Topics, topic) && !said(topic) {
			return
		}
	}
	now := k.now
	if !k.told && len(now.Entities) > 0 && len(k.have.Entities)-len(now.Entities) <= maxRemoved {
		now = retained{Entities: k.have.Entities}.with(now)
	}
	k.set(now)
}

// set is called with the lock held.
func (k *keeper) set(r retained) {
	if r.equal(k.have) {
		return
	}
	k.have = r
	if k.path == "" {
		return
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err == nil {
		err = atomicfile.Write(k.path, append(data, '\n'), 0o600)
	}
	if err != nil {
		k.log.Warn("what brokers keep cannot be noted; after a change of the configuration some of it may stay there", "file", k.path, "err", err)
	}
}

// retainedBy lists the topics that a configuration may leave with a broker.
func retainedBy(c *config.Config, m *mirror) []string {
	out := []string{event.NodeTopic(c.Node, string(event.Status)), event.NodeTopic(c.Node, event.TopicHealth)}
	for _, s := range command.Specs(controllable(c)) {
		out = append(out, event.StateTopic(c.Node, s.Source, string(s.Name)))
	}
	for _, s := range c.Sources {
		out = append(out, event.SourceTopic(c.Node, s.Name, string(event.Status)))
		if s.Image {
			out = append(out, event.SourceTopic(c.Node, s.Name, event.TopicImage))
		}
		out = append(out, m.sources[s.Name].topics(c.Node, s.Name)...)
	}
	for _, p := range pinsOf(c) {
		out = append(out, event.SourceTopic(c.Node, p.Name, string(event.Status)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
