package app

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"sensed/daemon/config"
	"sensed/daemon/modelstore"
)

// decision is what a new configuration will say.
type decision struct {
	node, broker           string
	username, passwordFile string
	cameras, microphones   []string
	model                  string // name in the store, or None: the demonstration model
	absent                 bool   // there is no such model yet
	memory                 int64  // of the board in bytes; 0: unknown
}

// imageTokens is the detail of pictures that leaves a board of this memory time
// for other things: boards with more memory are those with the faster processors.
func (d *decision) imageTokens() int {
	const gb = 1 << 30
	switch {
	case d.memory < 6*gb:
		return 70
	case d.memory < 12*gb:
		return 140
	}
	return 280
}

// suits is the model that the board has the memory for; nil: none.
func (d *decision) suits() *modelstore.Known {
	var best *modelstore.Known
	for _, k := range modelstore.Catalogue() {
		// A board says a little less than is printed on it. Twice the memory that a
		// model needs leaves its files in the cache.
		enough := k.Board
		if k.Name == "e4b" {
			enough *= 2
		}
		if (k.Name == "e2b" || k.Name == "e4b") && d.memory >= enough*9/10 {
			best = &k
		}
	}
	return best
}

func (d *decision) brokerWords() string {
	if d.broker == "" {
		return "the broker inside sensed"
	}
	return "broker " + d.broker
}

func (d *decision) modelWords() string {
	if d.demonstrates() {
		return "the demonstration model"
	}
	return "model " + d.model
}

// demonstrates tells whether the demonstration model answers for now.
func (d *decision) demonstrates() bool {
	return d.model == None || d.model == modelstore.Current && d.absent
}

// next says what remains to be done.
func (d *decision) next(path string) string {
	var b strings.Builder
	step := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	b.WriteString("Next:\n")
	if d.passwordFile != "" {
		step("put the password of %s into %s, and chmod 640 it", d.username, d.passwordFile)
	}
	switch k := d.suits(); {
	case d.model == None:
	case d.demonstrates() && k != nil:
		step("sensed model pull %s    (%s); until then the demonstration model answers", k.Name, modelstore.Size(k.Download))
	case d.absent && !d.demonstrates():
		step("sensed model pull: there is no model %s yet", d.model)
	}
	step("sensed doctor --config %s", path)
	step("sensed run --config %s    or, for the service: systemctl restart sensed", path)
	return b.String()
}

// text is the configuration.
func (d *decision) text() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# Made by sensed init. sensed config sample shows everything that can be set, sensed\n# config check names mistakes, sensed reload lets a running daemon use changes.\nversion: %d\n\n", config.Version)
	p("# The name of this machine in topics: sensed/%s/SOURCE/caption and so on.\nnode: %s\n\n", d.node, quoted(d.node))
	if d.broker == "" {
		p("# No broker was found or wanted: sensed has one of its own, which only this\n# machine reaches.\n# broker:\n#   url: mqtt://broker.lan\n#   username: sensed\n#   password_file: password.txt   # chmod 640\n\n")
	} else {
		p("broker:\n  url: %s\n", quoted(d.broker))
		if d.username != "" {
			p("  username: %s\n", quoted(d.username))
		}
		if d.passwordFile != "" {
			p("  password_file: %s   # the password in its first line; chmod 640\n", quoted(d.passwordFile))
		}
		p("\n")
	}
	d.modelText(p)
	p("sources:")
	if len(d.cameras)+len(d.microphones) == 0 {
		p(" []   # none was found; sensed devices lists what this machine has\n# - name: camera\n#   source: v4l2:/dev/video0?size=640x480&fps=5\n#   tasks: [{kind: caption}]\n")
		return b.String()
	}
	p("\n")
	for i, c := range d.cameras {
		p("  - name: %s\n    source: %s\n", numbered("camera", i), quoted(c))
		p("    tasks:                     # asked whenever something moves\n      - kind: caption\n        image_tokens: %d        # 70 140 280 560 1120: detail against time\n", d.imageTokens())
		p("      # - kind: detect\n      #   labels: [person, dog, package]\n")
	}
	for i, m := range d.microphones {
		p("  - name: %s\n    source: %s\n    tasks:                     # asked whenever somebody speaks\n      - kind: transcribe\n", numbered("microphone", i), quoted(m))
	}
	return b.String()
}

func (d *decision) modelText(p func(string, ...any)) {
	if d.model == None {
		p("# The small demonstration model inside sensed answers, which has only ever seen\n# drawings.\n# model: current   # after sensed model pull e2b\n\n")
		return
	}
	p("# current is the one that sensed model pull fetched first, or sensed model use chose.\n")
	if d.demonstrates() {
		p("# Until then the small demonstration model inside sensed answers, which has only ever\n# seen drawings. ")
		switch k := d.suits(); {
		case k != nil:
			p("This board has the memory for Gemma 4: sensed model pull %s\n", k.Name)
		case d.memory > 0:
			p("Gemma 4 needs more memory than the %s of this board.\n", modelstore.Size(d.memory))
		default:
			p("For real pictures: sensed model pull e2b\n")
		}
	}
	p("model: %s\n\n", quoted(d.model))
}

// numbered is camera, camera2, camera3 and so on.
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + strconv.Itoa(i+1)
}

// plainForm is what YAML takes for a text without quotes.
var plainForm = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/_.?=&%+@,-]*(:[A-Za-z0-9/_.?=&%+@,-]+)*$`)

// quoted writes a text for YAML.
func quoted(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainForm.MatchString(s) {
			return s
		}
	}
	return strconv.Quote(s)
}

// groupOf returns the group of a file.
func groupOf(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, nil
	}
	return int(st.Gid), nil
}
