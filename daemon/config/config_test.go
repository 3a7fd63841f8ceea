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
var ignore = cmp.Options{cmpopts.IgnoreFields(Config{}, "name", "where", "outdated"), cmp.AllowUnexported(Device{})}

func TestSampleIsComplete(t *testing.T) {
	c, err := Parse("sample.yaml", Sample())
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Version: Version, Node: "porch",
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
						Choices: []string{"yes", "no"}, Every: 5 * time.Minute, ImageTokens: 280, MaxTokens: 16},
				},
				Gate: Gate{Motion: &Motion{Sensitivity: 0.5, MinArea: 0.005, Again: 10 * time.Second, Masks: []Area{
					{{0, 0}, {0, 1000}, {200, 1000}, {200, 0}}, {{1000, 700}, {1000, 1000}, {600, 1000}}}}},
				Blackout: []Area{{{0, 0}, {0, 120}, {400, 60}}},
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
		Switches: []Switch{
			{Pin: "GPIO5", Role: "privacy", Press: "hold", Active: "low", Pull: "up", Debounce: 50 * time.Millisecond, Sources: []string{"door", "hall"}},
			{Pin: "GPIO6", Role: "mute", Press: "toggle", Active: "low", Pull: "up", Debounce: 50 * time.Millisecond},
			{Pin: "GPIO13", Role: "talk", Press: "hold", Active: "low", Pull: "up", Debounce: 50 * time.Millisecond, Sources: []string{"hall"}},
		},
		LED:    LED{Model: "GPIO27", Microphone: "GPIO23", Camera: "GPIO24"},
		Outbox: Outbox{Path: "/var/lib/sensed/outbox", Megabytes: 64, Age: 168 * time.Hour},
		Web:    Web{Listen: "127.0.0.1:8420", TLS: "auto", Cards: 2000, Megabytes: 32, Timeline: Timeline{Keep: KeepNothing, Age: 168 * time.Hour}},
		Health: Health{Every: time.Minute}, Unchanged: "skip",
		HomeAssistant: HomeAssistant{Discovery: true, Prefix: "homeassistant", Birth: "homeassistant/status"},
		Log:           Log{Level: "info", Format: "auto"},
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

func TestGoodBrokers(t *testing.T) {
	for _, u := range []string{"mqtt://h", "mqtt://h:1883/", "mqtts://[::1]:8883", "ws://h/mqtt", "wss://h:443/", "unix:///run/m.sock"} {
		if _, err := Parse("f", []byte("broker: {url: '"+u+"'}")); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestSwitched(t *testing.T) {
	c, err := Parse("f", []byte(`
sources:
  - {name: door, source: "scene:"}
  - {name: hall, source: "portaudio:"}
  - {name: yard, source: "wav:x.wav"}
`))
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]Switch{
		"door hall yard": {Role: "privacy"},
		"hall yard":      {Role: "mute"},
		"door":           {Role: "privacy", Sources: []string{"door"}},
	} {
		if got := strings.Join(c.Switched(s), " "); got != want {
			t.Errorf("%+v switches %q, want %q", s, got, want)
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
		"led.model":                "f: led.model: no such place",
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
model: {text: m/t.gguf, projector: /abs/p.gguf, drafter: m/d.gguf, packed: cache}
sources:
  - {name: a, source: "replay:scenes?fps=2"}
  - {name: b, source: "wav:/abs.wav"}
  - {name: c, source: "portaudio:default"}
`, 0o644)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Broker.PasswordFile, c.Broker.CAFile, c.Model.Text, c.Model.Projector, c.Model.Drafter, c.Model.Packed, c.Sources[0].Device.Path, c.Sources[1].Device.Path, c.Sources[2].Device.Path}
	want := []string{dir + "/pw.txt", dir + "/ca.pem", dir + "/m/t.gguf", "/abs/p.gguf", dir + "/m/d.gguf", dir + "/cache", dir + "/scenes", "/abs.wav", "default"}
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
