package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sensed/daemon/atomicfile"
	"sensed/daemon/config"
	"sensed/daemon/health"
	"sensed/daemon/modelstore"
	"sensed/daemon/mqtt"
)

// Setup is what `sensed init` is asked for; what is empty is found out.
type Setup struct {
	Path         string   // of the configuration to write
	Node         string   // name of this machine
	Cameras      []string // sources; none: those that are found
	Microphones  []string // likewise, the default one
	Broker       string   // address; "none": the broker inside sensed
	Username     string
	PasswordFile string
	Model        string // name of one in the store; "": the one in use; "none": the demonstration model
	Force        bool   // an existing file is replaced, and kept beside as FILE.old
	In           io.Reader
	Ask          bool   // In is somebody who answers
	Root         string // holds /proc of the board; "": /
}

// None in place of a source, a broker or a model wants none.
const None = "none"

// brokerNames are where brokers usually are: Home Assistant, its add-on, and what
// people call them; localhost is the last.
func brokerNames() []string {
	return []string{"homeassistant.local", "homeassistant", "core-mosquitto", "mosquitto.local", "mosquitto", "mqtt.local", "mqtt", "mqtt.lan", "broker.lan", "localhost"}
}

const (
	probeTime = 3 * time.Second // for all names together
	brokerTCP = "1883"
)

// surroundings is how init looks around.
type surroundings struct {
	hardware
	speaks func(ctx context.Context, addr string) bool
	// announced are the host:port of brokers that the network tells of.
	announced func(ctx context.Context) []string
	own       func(ctx context.Context) bool // the broker on this machine is that inside sensed
}

// Run writes a configuration for this machine.
func (s Setup) Run(ctx context.Context, out io.Writer) error {
	own := func(ctx context.Context) bool {
		c := health.NewClient(ControlSocket())
		defer c.Close()
		now, _, err := c.Status(ctx)
		return err == nil && strings.HasPrefix(now.Broker.Address, "127.0.0.1")
	}
	return s.run(ctx, surroundings{thisMachine(), mqtt.Speaks, announcedHere, own}, out)
}

func (s Setup) run(ctx context.Context, around surroundings, out io.Writer) error {
	_, err := os.Lstat(s.Path)
	there := err == nil
	if there && !s.Force {
		return exists(s.Path)
	}
	d, err := s.decide(ctx, around, out)
	if err != nil {
		return err
	}
	text := d.text()
	if _, err := config.Parse(s.Path, []byte(text)); err != nil {
		return Errorf(Usage, "what was asked for makes no configuration:\n%w", err)
	}
	if there {
		if err := keepOld(s.Path); err != nil {
			return err
		}
	}
	mode, err := configMode(s.Path)
	if err != nil {
		return err
	}
	if err := writeFile(s.Path, []byte(text), mode, s.Force); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is written: node %s, %d cameras, %d microphones, %s, %s.\n%s", s.Path, d.node, len(d.cameras), len(d.microphones), d.brokerWords(), d.modelWords(), d.next(s.Path))
	return err
}

// keepOld keeps a file that will be replaced, beside it.
func keepOld(path string) error {
	old := path + ".old"
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(path, old); err != nil {
		return fmt.Errorf("the file that is there cannot be kept, so it is not replaced: %w", err)
	}
	return nil
}

// configMode is the mode of a new configuration: in a folder of the service
// only its group may read what root writes.
func configMode(path string) (fs.FileMode, error) {
	if os.Geteuid() != 0 {
		return atomicfile.Umask, nil
	}
	group, err := groupOf(filepath.Dir(path))
	if err != nil || group == 0 {
		return atomicfile.Umask, err
	}
	return 0o640, nil
}

// found is a source with what it is.
type found struct{ source, about string }

// decide finds out what was not said, and asks who is there.
func (s *Setup) decide(ctx context.Context, around surroundings, out io.Writer) (*decision, error) {
	ask := &asker{in: bufio.NewReader(s.In), out: out, on: s.Ask}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	d := &decision{node: s.Node, username: s.Username, passwordFile: s.PasswordFile}
	if d.node == "" {
		d.node = ask.text("Name of this machine in topics", config.NodeName(host))
	}
	l := around.look(ctx)
	d.cameras = s.choose(ask, s.Cameras, "camera", usableCameras(l))
	d.microphones = s.choose(ask, s.Microphones, "microphone", usableMicrophones(l))
	if d.broker = s.Broker; d.broker == "" {
		d.broker = ask.text("MQTT broker (none: one inside sensed, for this machine only)", around.broker(ctx))
	}
	if d.broker == None {
		if d.broker = ""; d.username+d.passwordFile != "" {
			return nil, Errorf(Usage, "a user or a password is given, but no broker was found that would ask for one; name it with --broker")
		}
	} else if !strings.Contains(d.broker, "://") {
		d.broker = "mqtt://" + d.broker
	}
	if d.broker != "" && d.username == "" {
		if d.username = ask.text("User at the broker (none: everybody is let in)", None); d.username == None {
			d.username = ""
		}
	}
	if d.username != "" && d.passwordFile == "" {
		d.passwordFile = ask.text("File with the password, beside the configuration", "password.txt")
	}
	root := s.Root
	if root == "" {
		root = "/"
	}
	d.memory = int64(health.NewBoard(os.DirFS(root)).Memory().Total)
	d.model = s.Model
	if d.model == "" {
		d.model = modelstore.Current
	}
	_, err = modelstore.NewStore(ModelFolder()).Find(d.model)
	d.absent = err != nil
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d, ask.err
}

// choose returns the sources that were given, or those that are found and wanted.
func (s *Setup) choose(ask *asker, given []string, what string, all []found) []string {
	if len(given) > 0 {
		return slices.DeleteFunc(slices.Clone(given), func(g string) bool { return g == None })
	}
	var out []string
	for _, f := range all {
		if ask.yes(fmt.Sprintf("Use the %s %s (%s)", what, f.source, f.about)) {
			out = append(out, f.source)
		}
	}
	if len(out) == 0 && ask.on {
		if more := ask.text("No "+what+" is chosen. A source, as sensed devices or the README names it, or none", None); more != None {
			out = append(out, more)
		}
	}
	return out
}

// usableCameras are the cameras that give pictures, as sources of a modest size.
func usableCameras(l *Listing) (out []found) {
	for _, c := range l.Cameras {
		usable, sized := false, false
		for _, f := range c.Format {
			usable = usable || f.Usable
			sized = sized || f.Usable && slices.ContainsFunc(f.Sizes, func(s ListedSize) bool { return s.Size == "640x480" })
		}
		if c.Problem != "" || len(c.Format) > 0 && !usable {
			continue
		}
		source := c.Source
		if sized || strings.HasPrefix(source, "libcamera:") {
			source += "?size=640x480&fps=5"
		}
		out = append(out, found{source, c.Name})
	}
	return out
}

// usableMicrophones is the default one, or the first.
func usableMicrophones(l *Listing) []found {
	for _, m := range l.Microphones {
		if m.Default {
			return []found{{"portaudio:default", m.Name}}
		}
	}
	if len(l.Microphones) > 0 {
		return []found{{l.Microphones[0].Source, l.Microphones[0].Name}}
	}
	return nil
}

// broker returns the address of the first broker that answers, or None: under
// the usual names before those that are announced, because addresses change.
func (a *surroundings) broker(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var (
		found []string // host:port
		all   sync.WaitGroup
	)
	all.Go(func() { found = a.announced(ctx) })
	names := brokerNames()
	answers := make([]bool, len(names))
	for i, name := range names {
		all.Go(func() { answers[i] = a.speaks(ctx, net.JoinHostPort(name, brokerTCP)) })
	}
	all.Wait()
	for i, name := range names {
		if answers[i] && name != "localhost" {
			return "mqtt://" + name
		}
	}
	for _, addr := range found {
		if a.speaks(ctx, addr) {
			return brokerURL(addr)
		}
	}
	if answers[len(names)-1] && !a.own(ctx) {
		return "mqtt://localhost"
	}
	return None
}

// asker asks who is there, and takes what it has found itself when nobody is.
type asker struct {
	in  *bufio.Reader
	out io.Writer
	on  bool
	err error
}

func (a *asker) text(question, proposed string) string {
	if !a.on || a.err != nil {
		return proposed
	}
	fmt.Fprintf(a.out, "%s [%s]: ", question, proposed)
	line, err := a.in.ReadString('\n')
	if err != nil && line == "" {
		a.err = fmt.Errorf("the questions are not answered to the end: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return proposed
	}
	return line
}

func (a *asker) yes(question string) bool {
	switch answer := strings.ToLower(a.text(question, "yes")); answer {
	case "n", "no":
		return false
	default:
		return true
	}
}
