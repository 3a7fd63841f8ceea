package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxName   = 64  // bytes of one level of a topic
	maxSocket = 107 // bytes of the path of a unix socket
	maxTasks  = 8   // of one source: each waits in the scheduler's queue
)

// NodeName makes a name that may stand in a topic out of a host's name.
func NodeName(host string) string {
	name := strings.Map(func(r rune) rune {
		if r == '+' || r == '#' || r == '/' || r == '$' || unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '-'
		}
		return r
	}, host)
	for len(name) > maxName {
		_, last := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-last]
	}
	if strings.Trim(name, "-") == "" {
		return "sensed"
	}
	return name
}

// reserved are the names below the node's topic that no source can have.
func reserved() []string {
	return []string{"status", "health", "privacy", "answer", "ask", "describe", "transcribe", "detect", "snapshot", "reload", "restart"}
}

func (c *Config) check() []Problem {
	k := &checker{c: c}
	k.version()
	k.topicPart("node", c.Node)
	k.broker()
	k.outbox()
	k.model()
	var sources []string
	for i, s := range c.Sources {
		path := fmt.Sprintf("sources[%d]", i)
		k.source(path, s)
		if slices.Contains(sources, s.Name) && s.Name != "" {
			k.wrong(path+".name", fmt.Sprintf("another source is named %q too", s.Name), "give each its own name")
		}
		sources = append(sources, s.Name)
	}
	for i, t := range c.Triggers {
		path := fmt.Sprintf("triggers[%d]", i)
		k.trigger(path, t, sources)
		if slices.Contains(sources, t.Pin) && t.Pin != "" {
			k.wrong(path+".pin", fmt.Sprintf("a source is named %q too, and both publish under their name", t.Pin), "rename the source")
		}
	}
	for i, s := range c.Switches {
		k.pinSwitch(fmt.Sprintf("switches[%d]", i), s, sources)
	}
	k.pins()
	k.oneOf("unchanged", c.Unchanged, "skip", "send")
	k.homeAssistant()
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "auto", "text", "json", "journal")
	k.web()
	k.health()
	return k.problems
}

func (k *checker) health() {
	h := k.c.Health
	k.between("health.every", h.Every, 10*time.Second, 24*time.Hour)
	if len(h.Socket) > maxSocket {
		k.wrong("health.socket", fmt.Sprintf("the path is longer than the %d bytes that a socket's may have", maxSocket), "write a shorter one")
	}
	if h.Metrics != "" {
		if _, port, err := net.SplitHostPort(h.Metrics); err != nil || !isPort(port) {
			k.wrong("health.metrics", fmt.Sprintf("%q is not an address to listen at", h.Metrics), "write host and port, such as 127.0.0.1:9464, or :9464 for all networks")
		}
	}
}

func (k *checker) broker() {
	b := k.c.Broker
	if b.URL == "" {
		if host, port, err := net.SplitHostPort(b.Listen); err != nil || !isPort(port) {
			k.wrong("broker.listen", fmt.Sprintf("%q is not an address to listen at", b.Listen), "write host and port, such as 127.0.0.1:1883")
		} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			k.wrong("broker.listen", fmt.Sprintf("%q is reachable from other machines, and the broker inside sensed asks nobody for a password", b.Listen),
				"write 127.0.0.1, or give the url of a broker of your own")
		}
		for _, f := range []struct{ name, value string }{{"client_id", b.ClientID}, {"username", b.Username}, {"password_file", b.PasswordFile},
			{"ca_file", b.CAFile}, {"cert_file", b.CertFile}, {"key_file", b.KeyFile}, {"server_name", b.ServerName}} {
			if f.value != "" {
				k.wrong("broker."+f.name, "it is of no use without broker.url", "give the url of the broker, or remove it")
			}
		}
		if len(b.Fallbacks) > 0 {
			k.wrong("broker.fallbacks", "they are of no use without broker.url", "move the first of them to url")
		}
		return
	}
	tls := k.brokerURL("broker.url", b.URL)
	for i, url := range b.Fallbacks {
		tls = k.brokerURL(fmt.Sprintf("broker.fallbacks[%d]", i), url) || tls
	}
	if b.PasswordFile != "" && b.Username == "" {
		k.wrong("broker.password_file", "a password without a username", "give broker.username too")
	}
	if (b.CertFile == "") != (b.KeyFile == "") {
		missing, given := "key_file", "cert_file"
		if b.CertFile == "" {
			missing, given = given, missing
		}
		k.wrong("broker."+given, "it is of no use without "+missing, "give both or none")
	}
	if !tls && b.CAFile+b.CertFile+b.KeyFile+b.ServerName != "" {
		k.wrong("broker.url", "certificates are given, but the connection is not encrypted", "write mqtts:// or wss://")
	}
}

// brokerURL checks the address and tells whether it is an encrypted one.
func (k *checker) brokerURL(field, s string) (tls bool) {
	schemes := []string{"mqtt", "mqtts", "ws", "wss", "unix"}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || !strings.Contains(s, "://") {
		k.wrong(field, "it is not an address", "write for example mqtt://broker.lan:1883")
		return true
	}
	switch {
	case !slices.Contains(schemes, u.Scheme):
		k.wrong(field, fmt.Sprintf("%q is no way to reach a broker", u.Scheme), suggest(u.Scheme, schemes))
		return true
	case u.User != nil:
		k.wrong(field, "it holds a username or password, which would show in logs", "use broker.username and broker.password_file")
	case u.RawQuery != "" || u.Fragment != "":
		k.wrong(field, "it has a part after ? or #", "remove that part")
	case u.Scheme == "unix" && (u.Host != "" || u.Path == ""):
		k.wrong(field, "it names no socket", "write for example unix:///run/mosquitto/mosquitto.sock")
	case u.Scheme != "unix" && u.Hostname() == "":
		k.wrong(field, "it names no host", "write for example mqtt://broker.lan:1883")
	case u.Port() != "" && !isPort(u.Port()):
		k.wrong(field, fmt.Sprintf("%s is not a port", u.Port()), "write a number from 1 to 65535")
	case strings.HasPrefix(u.Scheme, "mqtt") && strings.Trim(u.Path, "/") != "":
		k.wrong(field, fmt.Sprintf("it has a path (%s)", u.Path), "topics are not part of the address: remove it")
	}
	return u.Scheme == "mqtts" || u.Scheme == "wss"
}

func (k *checker) model() {
	m := k.c.Model
	if m.Name != "" {
		for _, f := range []struct{ name, value string }{{"text", m.Text}, {"projector", m.Projector}, {"drafter", m.Drafter}} {
			if f.value != "" {
				k.wrong("model."+f.name, "the model "+m.Name+" has files of its own", "give either model.name or the files")
			}
		}
	} else {
		k.modelFiles()
	}
	k.within("model.threads", m.Threads, 0, 256)
	if m.Context != 0 {
		k.within("model.context", m.Context, 256, 131072)
	}
}

// modelFiles checks a model whose files are named one by one, or the bundled one.
func (k *checker) modelFiles() {
	m := k.c.Model
	if m.Folder != "" {
		k.wrong("model.folder", "a folder of models without the name of one", "give model.name too")
	}
	if m.Text == "" && m.Projector != "" {
		k.wrong("model.projector", "a projector without its text model", "give model.text too")
	}
	if m.Text == "" && m.Drafter != "" {
		k.wrong("model.drafter", "a drafter without its text model", "give model.text too")
	}
	if m.Text == "" && m.Profile != "" {
		k.wrong("model.profile", "a profile without a model: the bundled one has its own", "give model.text too")
	}
	if m.Text == "" && m.Packed != "" {
		k.wrong("model.packed", "a folder for packed weights without a model: the bundled one is too small to need it", "give model.text too, or remove it")
	}
}

func (k *checker) source(path string, s Source) {
	k.topicPart(path+".name", s.Name)
	if slices.Contains(reserved(), s.Name) {
		k.wrong(path+".name", fmt.Sprintf("%q is a topic of the node itself", s.Name), "choose another name")
	}
	sense := s.Device.Sense()
	if s.Image && sense == Hearing {
		k.wrong(path+".image", "a microphone has no picture", "remove it")
	}
	if s.Device.Scheme == "" {
		k.wrong(path+".source", "it does not say which device to use", "write for example source: v4l2:/dev/video0")
	}
	var names []string
	for i, t := range s.Tasks {
		p := fmt.Sprintf("%s.tasks[%d]", path, i)
		k.task(p, t, sense)
		if slices.Contains(names, t.Name) && t.Name != "" {
			k.wrong(p+".name", fmt.Sprintf("another task of this source is named %q too", t.Name), "give each its own name")
		}
		names = append(names, t.Name)
	}
	if len(s.Tasks) > maxTasks {
		k.wrong(path+".tasks", fmt.Sprintf("a source can have %d tasks, this one has %d", maxTasks, len(s.Tasks)), "ask for less, or name the device twice")
	}
	k.areas(path+".blackout", s.Blackout)
	if len(s.Blackout) > 0 && sense == Hearing {
		k.wrong(path+".blackout", "a microphone has no pictures", "remove it")
	}
	k.gate(path+".gate", s.Gate, sense)
}

func (k *checker) task(path string, t Task, sense Sense) {
	kinds := map[Sense][]string{
		Sight:   {"caption", "detect", "point", "prompt"},
		Hearing: {"transcribe", "translate", "prompt"},
		"":      {"caption", "detect", "point", "transcribe", "translate", "prompt"},
	}
	switch {
	case t.Kind == "":
		k.wrong(path+".kind", "the task does not say what is asked", "possible are "+strings.Join(kinds[sense], ", "))
	case !slices.Contains(kinds[""], t.Kind):
		k.wrong(path+".kind", fmt.Sprintf("%q is no kind of task", t.Kind), suggest(t.Kind, kinds[sense]))
	case !slices.Contains(kinds[sense], t.Kind):
		k.wrong(path+".kind", fmt.Sprintf("a %s cannot %s", sense, t.Kind), "possible are "+strings.Join(kinds[sense], ", "))
	}
	if t.Kind != "" || t.Name != "" {
		k.topicPart(path+".name", t.Name)
	}
	for i, l := range t.Labels {
		if strings.TrimSpace(l) == "" || strings.ContainsAny(l, "\n\r") {
			k.wrong(fmt.Sprintf("%s.labels[%d]", path, i), fmt.Sprintf("%q is not a label", l), "write a word such as person")
		}
	}
	k.onlyFor(path+".labels", len(t.Labels) > 0, t.Kind, "detect", "point")
	if t.Kind == "point" && len(t.Labels) != 1 {
		k.wrong(path+".labels", fmt.Sprintf("point looks for one thing, not %d", len(t.Labels)), "write labels: [door]")
	}
	if t.Kind == "prompt" && strings.TrimSpace(t.Prompt) == "" {
		k.wrong(path+".prompt", "a task of kind prompt needs one", "write the question")
	}
	k.onlyFor(path+".choices", len(t.Choices) > 0, t.Kind, "prompt")
	k.onlyFor(path+".schema", t.Schema != "", t.Kind, "prompt")
	for i, c := range t.Choices {
		if c == "" {
			k.wrong(fmt.Sprintf("%s.choices[%d]", path, i), "the answer to choose is empty", "write the words, or remove it")
		}
	}
	if len(t.Choices) > 0 && t.Schema != "" {
		k.wrong(path+".schema", "there are choices too, and the answer cannot keep to both", "remove one of them")
	}
	k.onlyFor(path+".into", t.Into != "", t.Kind, "translate")
	if t.Kind == "translate" && t.Into == "" {
		k.wrong(path+".into", "it does not say into which language", "write for example into: English")
	}
	k.onlyFor(path+".language", t.Language != "", t.Kind, "transcribe", "translate")
	switch {
	case t.Every != 0 && sense == Hearing:
		k.wrong(path+".every", "a microphone is asked about what it hears, not at a pace", "remove it")
	case t.Every != 0 && (t.Every < 100*time.Millisecond || t.Every > 7*24*time.Hour):
		k.wrong(path+".every", fmt.Sprintf("%v is out of bounds", t.Every), "write a time from 100ms to 168h")
	}
	if !slices.Contains([]int{0, 70, 140, 280, 560, 1120}, t.ImageTokens) {
		k.wrong(path+".image_tokens", fmt.Sprintf("a picture cannot have %d tokens", t.ImageTokens), "write 70, 140, 280, 560 or 1120")
	} else if t.ImageTokens != 0 && sense == Hearing {
		k.wrong(path+".image_tokens", "a microphone gives no pictures", "remove it")
	}
	k.within(path+".max_tokens", t.MaxTokens, 0, 8192)
}

func (k *checker) gate(path string, g Gate, sense Sense) {
	if m := g.Motion; m != nil {
		if sense == Hearing {
			k.wrong(path+".motion", "a microphone sees no motion", "use speech")
		}
		k.share(path+".motion.sensitivity", m.Sensitivity)
		k.share(path+".motion.min_area", m.MinArea)
		if m.MinArea == 1 {
			k.wrong(path+".motion.min_area", "more than the whole picture cannot move", "write a number below 1, such as 0.005")
		}
		if m.Again != 0 {
			k.between(path+".motion.again", m.Again, 100*time.Millisecond, 24*time.Hour)
		}
		k.areas(path+".motion.zones", m.Zones)
		k.areas(path+".motion.masks", m.Masks)
	}
	if s := g.Speech; s != nil {
		if sense == Sight {
			k.wrong(path+".speech", "a camera hears nothing", "use motion")
		}
		k.share(path+".speech.sensitivity", s.Sensitivity)
		k.between(path+".speech.pause", s.Pause, 100*time.Millisecond, 3*time.Second)
		k.between(path+".speech.max", s.Max, 10*time.Second, 30*time.Second)
	}
}

func (k *checker) trigger(path string, t Trigger, sources []string) {
	k.oneOf(path+".edge", t.Edge, "rising", "falling", "both")
	k.oneOf(path+".pull", t.Pull, "up", "down", "none")
	k.between(path+".debounce", t.Debounce, 0, time.Second)
	for i, s := range t.Starts {
		if !slices.Contains(sources, s) {
			k.wrong(fmt.Sprintf("%s.starts[%d]", path, i), fmt.Sprintf("no source is named %q", s), suggest(s, sources))
		}
	}
}
