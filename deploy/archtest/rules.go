package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// module is the prefix of every import path of ours.
const module = "sensed/"

// arrow says what the packages of a folder may import, by path below the
// module. A name with /... stands for all packages below it too.
type arrow struct {
	from string
	to   []string
	why  string
}

// arrows has the most particular folder first: the first that fits a package
// counts.
var arrows = []arrow{
	{"daemon/sensed", []string{"daemon/...", "devices/...", "kernels/...", "deploy/models/..."}, "main: turns flags into calls"},
	{"daemon/app", []string{"daemon/...", "devices/...", "kernels/...", "deploy/models/..."}, "the only place that wires things together"},
	{"daemon/pipeline", []string{"daemon/gate", "daemon/schedule", "daemon/event", "devices"}, "moves values between small interfaces of its own, so it runs in tests without model, broker and hardware"},
	{"daemon/understand", []string{"daemon/event", "kernels/gemma4", "kernels/gguf", "deploy/models/tiny"}, "the one user of the model"},
	{"daemon/bench", []string{"daemon/event", "daemon/understand", "kernels/..."}, "measures the model, and makes models to measure"},
	{"daemon/mqtt", []string{"daemon/event", "daemon/outbox"}, "publishes events, whoever made them"},
	{"daemon/hass", []string{"daemon/event", "daemon/command"}, "pure functions from configuration to messages"},
	{"daemon/gate", []string{"daemon/event", "devices"}, "judges frames and sound, pure"},
	{"daemon/schedule", []string{"daemon/event"}, "decides by the clock that it is given, pure"},
	{"daemon/command", []string{"daemon/atomicfile", "daemon/event"}, "says what may be asked of a node, whoever asks and whoever does it"},
	{"daemon/event", nil, "the contract with subscribers depends on nothing"},
	{"daemon/config", []string{"daemon/event"}, "says what is wanted, does nothing"},
	{"daemon/outbox", nil, "keeps bytes, knows no MQTT"},
	{"daemon/broker", nil, "a broker like any other"},
	{"daemon/web/pagetest", nil, "only tests: looks at the page as a browser does"},
	{"daemon/web", []string{"daemon/atomicfile", "daemon/event", "daemon/command", "daemon/health"}, "shows what it is given, never reaches into the pipeline"},
	{"daemon/atomicfile", nil, "files on disk"},
	{"daemon/health", nil, "watches the machine, not the daemon's parts"},
	{"daemon/modelstore", []string{"kernels/gguf"}, "files on disk"},
	{"devices/devicetest", []string{"devices"}, "the suite that every source passes"},
	{"devices/portaudio", []string{"devices", "devices/wave"}, "a microphone has a rate of its own, and wave knows how to change it"},
	{"devices/stream", []string{"devices", "devices/mjpeg", "devices/wave"}, "what sources that come as a stream of bytes share"},
	{"devices/replay", []string{"devices", "devices/child", "devices/stream"}, "ffmpeg decodes clips"},
	{"devices/libcamera", []string{"devices", "devices/child", "devices/stream"}, "rpicam-vid knows the cameras of the board"},
	{"devices/rtsp", []string{"devices", "devices/child", "devices/stream", "devices/wave"}, "ffmpeg speaks with network cameras"},
	{"devices/httpcam", []string{"devices", "devices/stream"}, "pictures that come over HTTP"},
	{"devices/execpcm", []string{"devices", "devices/child", "devices/stream", "devices/wave"}, "a program that gives sound is a microphone"},
	{"devices/v4l2", []string{"devices", "devices/mjpeg"}, "most USB cameras send JPEG pictures"},
	{"devices/lepton", []string{"devices", "devices/bus"}, "hangs on buses, which are opened in one place"},
	{"devices/arducam", []string{"devices", "devices/bus"}, "hangs on buses, which are opened in one place"},
	{"devices", []string{"devices"}, "a device knows its hardware and the shared values, so any program could use it"},
	{"kernels/gemma4/verify", []string{"kernels/gemma4", "kernels/npy"}, "compares the model with another implementation's results"},
	{"kernels/gemma4", []string{"kernels", "kernels/gguf", "kernels/packed", "kernels/tokenizer"}, "the model knows no instruction set; kernels know no model"},
	{"kernels/packed", []string{"kernels", "kernels/gguf"}, "keeps on disk what the kernels make of a model file"},
	{"kernels/tokenizer", []string{"kernels/gguf"}, "reads its vocabulary from a model file"},
	{"kernels/gguf", nil, "reads bytes"},
	{"kernels/npy", nil, "reads bytes"},
	{"kernels/ref", []string{"kernels/gguf"}, "the oracle must not use what it judges"},
	{"kernels", []string{"kernels/gguf", "kernels/ref"}, "mathematics on encoded numbers"},
	{"deploy/models", nil, "data"},
	{"deploy", nil, "packaging"},
}

// inTests is what the tests of a folder may import besides the folder's own
// arrows and the folder itself.
var inTests = []arrow{
	{"daemon", []string{"daemon/...", "devices/...", "kernels/...", "deploy/models/..."}, "tests of the judgement use real parts"},
	{"devices", []string{"devices/..."}, "a device is tested without the daemon"},
	{"kernels", []string{"kernels/...", "deploy/models/..."}, "the mathematics is tested without the daemon"},
	{"deploy", []string{"daemon/...", "deploy/..."}, "checks what is shipped"},
}

// owners says which folders alone may import a module from outside. Standard
// library and golang.org/x are free to all.
var owners = []arrow{
	{"github.com/eclipse/paho.mqtt.golang", []string{"daemon/mqtt/..."}, "MQTT is spoken in one place"},
	{"github.com/mochi-mqtt/server", []string{"daemon/broker"}, "the embedded broker can be replaced"},
	{"github.com/gordonklaus/portaudio", []string{"devices/portaudio"}, "PortAudio needs cgo; everything else builds without"},
	{"periph.io/x", []string{"devices/gpio", "devices/bus", "devices/lepton", "devices/arducam"}, "pins and buses are touched by their drivers only"},
	{"github.com/goccy/go-yaml", []string{"daemon/config"}, "one format, read in one place"},
	{"github.com/prometheus", []string{"daemon/health"}, "metrics are told in one place"},
	{"github.com/vbauerster/mpb", []string{"daemon/sensed"}, "progress is drawn where there is a terminal"},
	{"github.com/coreos/go-systemd", []string{"daemon/app", "daemon/health", "daemon/sensed"}, "systemd is told by the daemon, not by its parts"},
	{"github.com/chromedp", []string{"daemon/web/pagetest"}, "a browser looks at the page in tests only"},
	{"github.com/gorilla/websocket", []string{"daemon/mqtt/...", "daemon/web"}, "connections are made at the edge"},
}

// pkg is what go list says about a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// violations returns a sentence for each import of p that no rule allows.
func violations(p pkg) []string {
	from, ours := strings.CutPrefix(p.ImportPath, module)
	if !ours {
		return []string{fmt.Sprintf("%s does not belong to the module %s", p.ImportPath, strings.TrimSuffix(module, "/"))}
	}
	rule, ok := find(arrows, from)
	if !ok {
		return []string{fmt.Sprintf("%s has no line in the table of arrows (deploy/archtest/rules.go)", from)}
	}
	var out []string
	for _, imported := range p.Imports {
		if to, ours := strings.CutPrefix(imported, module); ours {
			if !allowed(rule.to, to) {
				out = append(out, fmt.Sprintf("%s imports %s, but it may import only %v: %s", from, to, rule.to, rule.why))
			}
		} else if o, owned := find(owners, imported); owned && !allowed(o.to, from) {
			out = append(out, fmt.Sprintf("%s imports %s, which only %v may: %s", from, imported, o.to, o.why))
		}
	}
	tests, _ := find(inTests, from)
	for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
		to, ours := strings.CutPrefix(imported, module)
		if ours && to != from && !allowed(rule.to, to) && !allowed(tests.to, to) {
			out = append(out, fmt.Sprintf("a test of %s imports %s, but tests there may import only %v: %s", from, to, tests.to, tests.why))
		}
	}
	return out
}

// find returns the first arrow whose folder holds the path.
func find(list []arrow, path string) (arrow, bool) {
	for _, a := range list {
		if path == a.from || strings.HasPrefix(path, a.from+"/") {
			return a, true
		}
	}
	return arrow{}, false
}

// allowed says whether one of the names covers the path.
func allowed(names []string, path string) bool {
	for _, name := range names {
		folder, below := strings.CutSuffix(name, "/...")
		if path == folder || below && strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
