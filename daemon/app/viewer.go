package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
)

// lastWords is how long the goodbye of the node may take to come back from the
// broker.
const lastWords = 3 * time.Second

// remembered is how many of the last messages and of the first errors are kept.
const remembered = 50

// viewer prints what arrives from the broker and remembers what it was.
type viewer struct {
	DemoOptions
	out     io.Writer
	began   time.Time
	missing map[string][]event.Kind // answers that each sample still lacks
	failed  []string                // errors that arrived, the first few
	recent  []string                // what arrived last, since a message may come twice
	total   map[event.Kind]tally
}

// tally counts the events of one kind and adds up their times.
type tally struct {
	count, timed  int
	latency, work float64 // milliseconds: from capture, and of the model alone
}

func newViewer(o DemoOptions, out io.Writer, samples []string) *viewer {
	v := &viewer{
		DemoOptions: o, out: out, began: time.Now(),
		missing: map[string][]event.Kind{}, total: map[event.Kind]tally{},
	}
	for _, s := range samples {
		v.missing[s] = wanted(s)
	}
	return v
}

// introduce says what this is, and above all what it is not.
func (v *viewer) introduce(w io.Writer, url, page string) {
	if page != "" {
		page = "Look at it: " + page + "\n"
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(url, "tcp://"), ":")
	fmt.Fprintf(w, `%s
This is a demonstration model (tiny-gemma4, 5.9 M parameters): it knows drawn
scenes and synthetic speech only and says nothing about real cameras or people.
The real one is Gemma 4 E2B; with its two GGUF files:
  sensed infer --image photo.jpg --model gemma-4-E2B-it-Q4_0.gguf \
               --projector mmproj-gemma-4-E2B-it.gguf
  sensed run --config sensed.yaml     (with both under model:)

camera: %d scenes at %d fps   microphone: %d sentences   broker: %s
Listen along: mosquitto_sub -h %s -p %s -v -t 'sensed/#'
%s%s
`, v.paint(bold, "sensed demo"), v.count(".png"), demoFPS, v.count(".wav"), url, host, port, page, v.ending())
}

func (v *viewer) ending() string {
	if v.Once {
		return "Every sample is shown once.\n"
	}
	return "Ctrl-C ends it.\n"
}

// count is how many samples have that ending.
func (v *viewer) count(ext string) int {
	n := 0
	for name := range v.missing {
		if strings.HasSuffix(name, ext) {
			n++
		}
	}
	return n
}

// until prints what arrives until the node has said goodbye after the pipeline
// ran to its end, and returns the pipeline's error.
func (v *viewer) until(arrived <-chan mqtt.Received, ran <-chan error) error {
	var err error
	var late <-chan time.Time
	ended, offline := false, false
	for !ended || !offline {
		select {
		case m := <-arrived:
			offline = m.Topic == mqtt.StatusTopic(demoNode) && string(m.Payload) == event.Offline
			if werr := v.show(m); werr != nil {
				return werr
			}
		case err = <-ran:
			ended, ran = true, nil
			late = time.After(lastWords)
		case <-late:
			if err == nil {
				err = fmt.Errorf("the last events did not come back from the broker within %v", lastWords)
			}
			return err
		}
	}
	return err
}

// show prints one message and remembers it.
func (v *viewer) show(m mqtt.Received) error {
	key := m.Topic + " " + string(m.Payload)
	if slices.Contains(v.recent, key) {
		return nil // delivered twice
	}
	v.recent = append(v.recent[max(0, len(v.recent)-remembered):], key)
	e, err := parseReceived(m)
	if err != nil {
		return err
	}
	v.remember(e)
	line := bytes.TrimSpace(m.Payload)
	if !v.JSON {
		line = []byte(v.line(e))
	} else if e.Kind == event.Status && e.Source == "" {
		if line, err = json.Marshal(e); err != nil {
			return err
		}
	}
	if _, err := v.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("an event cannot be shown: %w", err)
	}
	return nil
}

// isEvent tells whether a topic is one of those that carry events.
func isEvent(topic string) bool {
	parts := strings.Split(topic, "/")
	return topic == mqtt.StatusTopic(demoNode) || len(parts) == 4 && event.Kind(parts[3]).Valid()
}

// parseReceived turns a message into its event; the status of the node, two
// bare words on the wire, becomes one too.
func parseReceived(m mqtt.Received) (event.Event, error) {
	var e event.Event
	if m.Topic == mqtt.StatusTopic(demoNode) {
		return event.Event{Version: event.Version, ID: string(m.Payload), Kind: event.Status, Node: demoNode, Time: time.Now(), State: string(m.Payload)}, nil
	}
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		return e, fmt.Errorf("a message on %s is no event: %w", m.Topic, err)
	}
	return e, nil
}

func (v *viewer) remember(e event.Event) {
	if e.Active != nil && !*e.Active && e.Status == event.Done {
		return // it was counted when it began
	}
	t := v.total[e.Kind]
	t.count++
	if l := e.Latency; l != nil {
		t.timed++
		t.latency += l.Total
		t.work += l.Encode + l.Prefill + l.Decode
	}
	v.total[e.Kind] = t
	switch {
	case e.Error != "" && e.Error != event.NoWords:
		if len(v.failed) < remembered {
			v.failed = append(v.failed, fmt.Sprintf("%s of %s %s: %s", e.Kind, e.Source, e.Sample, e.Error))
		}
	case slices.Contains(v.missing[e.Sample], e.Kind):
		v.missing[e.Sample] = slices.DeleteFunc(v.missing[e.Sample], func(k event.Kind) bool { return k == e.Kind })
	}
}

// complete says what did not come.
func (v *viewer) complete() error {
	var lacks []string
	for sample, kinds := range v.missing {
		for _, k := range kinds {
			lacks = append(lacks, fmt.Sprintf("%s got no %s", sample, k))
		}
	}
	slices.Sort(lacks)
	if all := append(lacks, v.failed...); len(all) > 0 {
		return fmt.Errorf("the demonstration is not complete: %s", strings.Join(all, "; "))
	}
	return nil
}

// conclude prints the summary.
func (v *viewer) conclude(w io.Writer) {
	fmt.Fprintf(w, "\n%s after %.1f s\n", v.paint(bold, "Summary"), time.Since(v.began).Seconds())
	for _, row := range []struct {
		kind event.Kind
		name string
	}{{event.Caption, "captions"}, {event.Objects, "object lists"}, {event.Transcript, "transcripts"}} {
		t := v.total[row.kind]
		fmt.Fprintf(w, "  %-13s %4d", row.name, t.count)
		if t.timed > 0 {
			n := float64(t.timed)
			fmt.Fprintf(w, "   %5.0f ms from sense to words, %5.0f ms of them in the model (means)", t.latency/n, t.work/n)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "  announced     %4d motions and %d sounds\n", v.total[event.Motion].count, v.total[event.Sound].count)
	for _, f := range v.failed {
		fmt.Fprintln(w, "  "+v.paint(red, "failed")+"       ", f)
	}
}
