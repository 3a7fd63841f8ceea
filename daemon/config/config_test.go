package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignore leaves out what only messages need.
var ignore = cmp.Options{cmpopts.IgnoreFields(Config{}, "name", "where"), cmp.AllowUnexported(Device{})}

func TestSampleIsComplete(t *testing.T) {
	c, err := Parse("sample.yaml", Sample())
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Node:   "porch",
		Broker: Broker{URL: "mqtts://broker.lan:8883", Listen: "127.0.0.1:1883", ClientID: "porch"},
		Model: Model{Text: "/var/lib/sensed/models/gemma-4-E2B-it-Q4_0.gguf", Projector: "/var/lib/sensed/models/mmproj-gemma-4-E2B-it-Q8_0.gguf",
			Threads: 4, Context: 4096},
		Sources: []Source{
			{
				Name:   "door",
				Device: Device{Scheme: "v4l2", Path: "/dev/video0", values: map[string]string{"size": "640x480", "fps": "10"}},
				Tasks: []Task{
					{Kind: "caption", Name: "caption"},
					{Kind: "detect", Name: "detect", Labels: []string{"person", "dog", "package"}},
					{Kind: "prompt", Name: "parcel", Prompt: "Is there a parcel on the doorstep? Answer yes or no.",
						Every: 5 * time.Minute, ImageTokens: 280, MaxTokens: 16},
				},
				Gate: Gate{Motion: &Motion{Sensitivity: 0.5, MinArea: 0.005, Again: 10 * time.Second, Masks: []Mask{{0, 0, 200, 1000}}}},
			},
			{
				Name:   "hall",
				Device: Device{Scheme: "portaudio", Path: "default", values: map[string]string{}},
				Tasks: []Task{
					{Kind: "transcribe", Name: "transcribe", Language: "English"},
					{Kind: "translate", Name: "translate", Language: "English", Into: "German"},
				},
				Gate: Gate{Speech: DefaultSpeech()},
			},
		},
		Triggers: []Trigger{{Pin: "GPIO17", Edge: "falling", Pull: "up", Debounce: 50 * time.Millisecond, Starts: []string{"door", "hall"}}},
		LED:      LED{Pin: "GPIO27"},
		Log:      Log{Level: "info", Format: "text"},
	}
	if d := cmp.Diff(want, c, ignore); d != "" {
		t.Errorf("the sample reads differently (-want +got):\n%s", d)
	}
	// The settings that are commented out must be good ones, too.
	off := regexp.MustCompile(`(?m)^(  +)# ([a-z_]+: )`)
	if n := len(off.FindAll(Sample(), -1)); n < 6 {
		t.Errorf("found only %d settings that are commented out", n)
	}
	c, err = Parse("sample.yaml", off.ReplaceAll(Sample(), []byte("$1$2")))
	if err != nil {
		t.Fatal(err)
	}
	if c.Broker.PasswordFile != "password.txt" || c.Model.Profile != "profile.json" {
		t.Errorf("the settings that are commented out read differently: %+v %+v", c.Broker, c.Model)
	}
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "node:\nsources:\nbroker:\n"} {
		c, err := Parse("empty", []byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if d := cmp.Diff(Default(), c, ignore); d != "" {
			t.Errorf("%q differs from the defaults:\n%s", text, d)
		}
	}
	c, err := Parse("gates", []byte(`
sources:
  - {name: a, source: "scene:"}
  - {name: b, source: "wav:x.wav"}
  - {name: c, source: "scene:", gate: {motion: false, always: true}}
  - {name: d, source: "scene:", gate: {motion: {min_area: 0.1}}}
  - {name: e, source: "portaudio:", gate: {speech: true}}
triggers:
  - {pin: 17}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Gate{{Motion: DefaultMotion()}, {Speech: DefaultSpeech()}, {Always: true}, {Motion: &Motion{Sensitivity: 0.5, MinArea: 0.1, Again: 10 * time.Second}}, {Speech: DefaultSpeech()}}
	for i, w := range want {
		if d := cmp.Diff(w, c.Sources[i].Gate); d != "" {
			t.Errorf("gate of source %d:\n%s", i, d)
		}
	}
	if d := cmp.Diff([]Trigger{{Pin: "17", Edge: "rising", Pull: "none", Debounce: 50 * time.Millisecond}}, c.Triggers); d != "" {
		t.Error(d)
	}
	if err := Default().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("/etc/sensed.yaml", []byte(`nod: porch
node: a/b
broker:
  url: mqqt://host
  usrname: me
sources:
  - name: door
    source: v4l2:/dev/video0?fsp=10
    tasks:
      - kind: captoin
        every: 30
      - kind: detect
        max_tokens: lots
  - name: door
    source: replay:/x
    gate:
      motion:
        sensitivity: 2
triggers:
  - pin: GPIO17
    edge: raising
    starts: [dor]
`))
	want := `/etc/sensed.yaml:1:1: nod: the key "nod" is not known here; did you mean "node"?
/etc/sensed.yaml:2:7: node: "a/b" has a character that MQTT topics use otherwise; leave out + # / and a $ in front
/etc/sensed.yaml:4:8: broker.url: "mqqt" is no way to reach a broker; did you mean "mqtt"?
/etc/sensed.yaml:5:3: broker.usrname: the key "usrname" is not known here; did you mean "username"?
/etc/sensed.yaml:8:13: sources[0].source: "fsp" is no option of v4l2:; did you mean "fps"?
/etc/sensed.yaml:10:15: sources[0].tasks[0].kind: "captoin" is no kind of task; did you mean "caption"?
/etc/sensed.yaml:11:16: sources[0].tasks[0].every: here must be a time, not "30"; write the unit, such as 30s
/etc/sensed.yaml:13:21: sources[0].tasks[1].max_tokens: here must be a whole number, not "lots"; write digits only
/etc/sensed.yaml:14:11: sources[1].name: another source is named "door" too; give each its own name
/etc/sensed.yaml:18:22: sources[1].gate.motion.sensitivity: 2 is out of bounds; write a number from 0 to 1
/etc/sensed.yaml:21:11: triggers[0].edge: "raising" is not possible here; did you mean "rising"?
/etc/sensed.yaml:22:14: triggers[0].starts[0]: no source is named "dor"; did you mean "door"?`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if !IsInvalid(err) {
		t.Error("the error does not count as one of the content")
	}
}

// problems has one mistake each; it also seeds the fuzz test.
var problems = []struct{ name, text, want string }{
	{"syntax", "node: \"x", `f:1:7: the file is not YAML`},
	{"tab", "broker:\n\turl: x", `f:2:1: the file is not YAML`},
	{"not a mapping", "[1, 2]", `f:1:1: here must be a mapping, not a list; write keys`},
	{"a word", "hello", `f:1:1: here must be a mapping, not "hello"`},
	{"binary", "\x7fELF\x02\x01\x01\x00\x00", `f:`},
	{"two documents", "node: a\n---\nnode: b\n", `f:3:1: the file has a second document`},
	{"twice", "node: a\nnode: b\n", `f:2:1: node: the key "node" is here twice`},
	{"unknown, far from all", "sources:\n  - name: a\n    source: 'scene:'\n    zzzzzzzz: 1\n", `f:4:5: sources[0].zzzzzzzz: the key "zzzzzzzz" is not known here; possible are name, source, tasks, gate`},
	{"anchor", "node: &a x\nled: {pin: *a}\n", `f:1:7: node: here must be a text, not an anchor`},
	{"tag", "node: !!str x\n", `f:1:7: node: here must be a text, not an anchor, alias or tag`},
	{"list for text", "node: [a]\n", `f:1:7: node: here must be a text, not a list`},
	{"text for list", "sources: none\n", `f:1:10: sources: here must be a list, not "none"`},
	{"text for mapping", "log: debug\n", `f:1:6: log: here must be a mapping, not "debug"`},
	{"yes for true", "sources: [{name: a, source: 'scene:', gate: {always: yes}}]\n", `gate.always: here must be true or false, not "yes"`},
	{"number", "sources: [{name: a, source: 'scene:', gate: {motion: {min_area: big}}}]\n", `min_area: here must be a number, not "big"`},
	{"not a number", "sources: [{name: a, source: 'scene:', gate: {motion: {min_area: .nan}}}]\n", `min_area: here must be a number`},
	{"huge number", "model: {threads: 99999999999999999999}\n", `model.threads: here must be a whole number`},
	{"threads", "model: {threads: -1}\n", `f:1:18: model.threads: -1 is out of bounds; write a number from 0 to 256`},
	{"context", "model: {context: 5}\n", `model.context: 5 is out of bounds`},
	{"projector alone", "model: {projector: p.gguf}\n", `f:1:20: model.projector: a projector without its text model`},
	{"profile alone", "model: {profile: p.json}\n", `model.profile: a profile without a model`},
	{"node with hash", "node: 'a#'\n", `node: "a#" has a character that MQTT topics`},
	{"node empty", "node: ''\n", `node: it has no name`},
	{"node long", "node: " + strings.Repeat("x", 65) + "\n", `node: the name is longer than 64 bytes`},
	{"node with bell", "node: \"a\\u0007\"\n", `node: "a\a" has a space or a character that does not print`},
	{"node with space", "node: front door\n", `node: "front door" has a space`},
	{"source named as a pin", "sources: [{name: GPIO17, source: 'scene:'}]\ntriggers: [{pin: GPIO17}]\n", `a source is named "GPIO17" too`},
	{"min_area 1", "sources: [{name: a, source: 'scene:', gate: {motion: {min_area: 1}}}]\n", `more than the whole picture cannot move`},
	{"again", "sources: [{name: a, source: 'scene:', gate: {motion: {again: 1ms}}}]\n", `again: 1ms is out of bounds`},
	{"source without name", "sources: [{source: 'scene:'}]\n", `f:1:11: sources[0].name: it has no name`},
	{"source without device", "sources:\n  - name: a\n", `f:2:5: sources[0].source: it does not say which device`},
	{"empty source", "sources: [~]\n", `sources[0]`},
	{"no scheme", "sources: [{name: a, source: /dev/video0}]\n", `sources[0].source: "/dev/video0" does not begin with a kind of device`},
	{"scheme", "sources: [{name: a, source: 'v4l:/dev/video0'}]\n", `"v4l" is no kind of device; did you mean "v4l2"?`},
	{"task of another sense", "sources: [{name: a, source: 'wav:x', tasks: [{kind: caption}]}]\n", `sources[0].tasks[0].kind: a microphone cannot caption; possible are transcribe, translate, prompt`},
	{"task without kind", "sources: [{name: a, source: 'wav:x', tasks: [{name: x}]}]\n", `tasks[0].kind: the task does not say what is asked`},
	{"task twice", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption}, {kind: caption}]}]\n", `tasks[1].name: another task of this source is named "caption" too`},
	{"nine tasks", "sources: [{name: a, source: 'scene:', tasks: [" + strings.Repeat("{kind: caption},", 9) + "]}]\n", `a source can have 8 tasks`},
	{"empty label", "sources: [{name: a, source: 'scene:', tasks: [{kind: detect, labels: ['']}]}]\n", `labels[0]: "" is not a label`},
	{"labels of a caption", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, labels: [x]}]}]\n", `labels: it is of no use for caption; it belongs to detect and point`},
	{"point at two", "sources: [{name: a, source: 'scene:', tasks: [{kind: point, labels: [x, y]}]}]\n", `point looks for one thing, not 2`},
	{"prompt without", "sources: [{name: a, source: 'scene:', tasks: [{kind: prompt}]}]\n", `prompt: a task of kind prompt needs one`},
	{"translate into", "sources: [{name: a, source: 'wav:x', tasks: [{kind: translate}]}]\n", `into: it does not say into which language`},
	{"into of a transcript", "sources: [{name: a, source: 'wav:x', tasks: [{kind: transcribe, into: German}]}]\n", `into: it is of no use for transcribe`},
	{"language of a caption", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, language: German}]}]\n", `language: it is of no use for caption`},
	{"every of sound", "sources: [{name: a, source: 'wav:x', tasks: [{kind: transcribe, every: 5s}]}]\n", `every: a microphone is asked about what it hears`},
	{"every too often", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, every: 1ms}]}]\n", `every: 1ms is out of bounds`},
	{"every negative", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, every: -1s}]}]\n", `every: -1s is out of bounds`},
	{"image tokens", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, image_tokens: 100}]}]\n", `a picture cannot have 100 tokens`},
	{"image tokens of sound", "sources: [{name: a, source: 'wav:x', tasks: [{kind: transcribe, image_tokens: 70}]}]\n", `a microphone gives no pictures`},
	{"motion of sound", "sources: [{name: a, source: 'wav:x', gate: {motion: true}}]\n", `a microphone sees no motion`},
	{"speech of pictures", "sources: [{name: a, source: 'scene:', gate: {speech: {}}}]\n", `a camera hears nothing`},
	{"speech max", "sources: [{name: a, source: 'wav:x', gate: {speech: {max: 40s}}}]\n", `max: 40s is out of bounds; write a time from 10s to 30s`},
	{"mask of three", "sources: [{name: a, source: 'scene:', gate: {motion: {masks: [[1, 2, 3]]}}}]\n", `a mask has four numbers, this one has 3`},
	{"mask inside out", "sources: [{name: a, source: 'scene:', gate: {motion: {masks: [[9, 0, 3, 9]]}}}]\n", `masks[0]: [9 0 3 9] is no rectangle`},
	{"trigger without pin", "triggers: [{edge: both}]\n", `triggers[0].pin: it names no pin`},
	{"trigger pin", "triggers: [{pin: 'GPIO 17'}]\n", `"GPIO 17" is not the name of a pin`},
	{"trigger pin twice", "triggers: [{pin: 17}, {pin: 17}]\n", `triggers[1].pin: another trigger has the pin 17 too`},
	{"trigger pull", "triggers: [{pin: 17, pull: upp}]\n", `"upp" is not possible here; did you mean "up"?`},
	{"trigger starts", "triggers: [{pin: 17, starts: [x]}]\n", `no source is named "x"; there is none to choose from`},
	{"led on a trigger", "triggers: [{pin: 17}]\nled: {pin: 17}\n", `f:2:12: led.pin: 17 is a trigger`},
	{"level", "log: {level: trace}\n", `log.level: "trace" is not possible here; possible are debug, info, warn, error`},
	{"broker without scheme", "broker: {url: broker.lan}\n", `broker.url: it is not an address`},
	{"broker host", "broker: {url: 'mqtt://'}\n", `broker.url: it names no host`},
	{"broker port", "broker: {url: 'mqtt://h:99999'}\n", `broker.url: 99999 is not a port`},
	{"broker password in url", "broker: {url: 'mqtt://me:pw@h'}\n", `broker.url: it holds a username or password`},
	{"broker topic in url", "broker: {url: 'mqtt://h/topic'}\n", `broker.url: it has a path (/topic)`},
	{"broker query", "broker: {url: 'ws://h/mqtt?x=1'}\n", `broker.url: it has a part after ?`},
	{"broker socket", "broker: {url: 'unix://'}\n", `broker.url: it names no socket`},
	{"broker plain with certificates", "broker: {url: 'mqtt://h', ca_file: x}\n", `certificates are given, but the connection is not encrypted`},
	{"broker cert alone", "broker: {url: 'mqtts://h', cert_file: x}\n", `broker.cert_file: it is of no use without key_file`},
	{"broker key alone", "broker: {url: 'mqtts://h', key_file: x}\n", `broker.key_file: it is of no use without cert_file`},
	{"password without user", "broker: {url: 'mqtts://h', password_file: x}\n", `a password without a username`},
	{"settings of no broker", "broker: {username: me}\n", `broker.username: it is of no use without broker.url`},
	{"listen", "broker: {listen: 1883}\n", `"1883" is not an address to listen at`},
	{"listen to the world", "broker: {listen: ':1883'}\n", `":1883" is reachable from other machines`},
	{"too large", "# " + strings.Repeat("x", maxFile), `f: the file is larger than 65536 bytes`},
	{"deep", "node: a\nsources: " + strings.Repeat("[{", 51), `f:2:1: more than 100 brackets are open here`},
	{"not so deep", strings.Repeat("[", 90), `the file is not YAML`},
	{"dashes", strings.Repeat("- ", 1000), `f:1:1: here must be a mapping, not a list`},
}

func TestProblems(t *testing.T) {
	for _, tt := range problems {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f", []byte(tt.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant %s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is not an *Error", err)
			}
			for _, p := range e.Problems {
				if p.What == "" || p.Hint == "" {
					t.Errorf("%+v says too little", p)
				}
			}
		})
	}
}

func TestGoodBrokers(t *testing.T) {
	for _, u := range []string{"mqtt://h", "mqtt://h:1883/", "mqtts://[::1]:8883", "ws://h/mqtt", "wss://h:443/", "unix:///run/m.sock"} {
		if _, err := Parse("f", []byte("broker: {url: '"+u+"'}")); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestNodeName(t *testing.T) {
	for in, want := range map[string]string{
		"porch": "porch", "a/b+c#d": "a-b-c-d", "$SYS": "-SYS", "": "sensed", "///": "sensed", "küche": "küche",
		"a b\tc\x00": "a-b-c-", "\xff\xfe": "sensed", strings.Repeat("ä", 100): strings.Repeat("ä", 32),
	} {
		got := NodeName(in)
		if got != want {
			t.Errorf("NodeName(%q) = %q, want %q", in, got, want)
		}
		c := Default()
		if c.Node = got; c.Validate() != nil {
			t.Errorf("NodeName(%q) = %q is itself refused: %v", in, got, c.Validate())
		}
	}
}

func TestValidateChangedConfig(t *testing.T) {
	c := Default()
	c.Sources = []Source{{Name: "a"}}
	err := c.Validate()
	want := `configuration: sources[0].source: it does not say which device to use; write for example source: v4l2:/dev/video0`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFault(t *testing.T) {
	c, err := Parse("f", []byte("sources:\n  - name: a\n    source: 'scene:'\n"))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"sources[0].source":        "f:3:13: sources[0].source: no such place",
		"sources[0].gate":          "f:2:5: sources[0].gate: no such place",
		"sources[0].tasks[2].kind": "f:2:5: sources[0].tasks[2].kind: no such place",
		"led.pin":                  "f: led.pin: no such place",
	} {
		if err := c.Fault(field, errors.New("no such place")); err.Error() != want || !IsInvalid(err) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// write makes a file of the given mode.
func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "pw.txt", "secret\r\nmore\n", 0o640)
	write(t, dir, "ca.pem", "x", 0o644)
	path := write(t, dir, "sensed.yaml", `
broker: {url: "mqtts://h", username: me, password_file: pw.txt, ca_file: ca.pem}
model: {text: m/t.gguf, projector: /abs/p.gguf}
sources:
  - {name: a, source: "replay:scenes?fps=2"}
  - {name: b, source: "wav:/abs.wav"}
  - {name: c, source: "portaudio:default"}
`, 0o644)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Broker.PasswordFile, c.Broker.CAFile, c.Model.Text, c.Model.Projector, c.Sources[0].Device.Path, c.Sources[1].Device.Path, c.Sources[2].Device.Path}
	want := []string{dir + "/pw.txt", dir + "/ca.pem", dir + "/m/t.gguf", "/abs/p.gguf", dir + "/scenes", "/abs.wav", "default"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if pw, err := c.Password(); pw != "secret" || err != nil {
		t.Errorf("password %q, %v", pw, err)
	}
	if pw, err := Default().Password(); pw != "" || err != nil {
		t.Errorf("no password file: %q, %v", pw, err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.yaml")); err == nil || !errors.Is(err, os.ErrNotExist) || IsInvalid(err) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Load(dir); err == nil || IsInvalid(err) {
		t.Errorf("a folder: %v", err)
	}
	write(t, dir, "open.txt", "secret\n", 0o644)
	write(t, dir, "empty.txt", "\n", 0o600)
	write(t, dir, "long.txt", strings.Repeat("x", maxPassword+1), 0o600)
	for _, tt := range []struct{ broker, want string }{
		{"password_file: open.txt", "broker.password_file: the password file " + dir + "/open.txt may be read or changed by every user of this machine (mode 0644): make it private with chmod 640"},
		{"password_file: empty.txt", "does not hold a password in its first line"},
		{"password_file: long.txt", "does not hold a password in its first line"},
		{"password_file: missing.txt", "the password file cannot be read"},
		{"password_file: .", "is not a file"},
		{"ca_file: missing.pem", "broker.ca_file: " + dir + "/missing.pem: no such file"},
	} {
		path := write(t, dir, "c.yaml", "broker:\n  url: mqtts://h\n  username: me\n  "+tt.broker+"\n", 0o600)
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), path+":4:") || !IsInvalid(err) {
			t.Errorf("%s: got %v, want %s at line 4", tt.broker, err, tt.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"caption", "detect", "up"}
	for in, want := range map[string]string{
		"Caption": `did you mean "caption"?`, "acption": `did you mean "caption"?`, "detct": `did you mean "detect"?`,
		"xyz": "possible are caption, detect, up", "": "possible are caption, detect, up", strings.Repeat("caption", 50): "possible are caption, detect, up",
	} {
		if got := suggest(in, known); got != want {
			t.Errorf("suggest(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range problems {
		if len(p.text) < 4096 {
			f.Add([]byte(p.text))
		}
	}
	f.Add(Sample())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // the parser is quadratic in depth
		}
		c, err := Parse("f", data)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("parsed, but then refused: %v", err)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || len(e.Problems) == 0 || err.Error() == "" {
			t.Errorf("%T %v is not a list of problems", err, err)
		}
	})
}
