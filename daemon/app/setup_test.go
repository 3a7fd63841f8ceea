package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"sensed/daemon/config"
)

// boardOf is a board with so much memory, in kB.
func boardOf(t *testing.T, kb string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc", "meminfo"), []byte("MemTotal: "+kb+" kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// near is a machine whose network has brokers under some names.
func near(h hardware, own bool, names ...string) surroundings {
	return surroundings{h, func(_ context.Context, addr string) bool {
		for _, n := range names {
			if addr == n+":1883" {
				return true
			}
		}
		return false
	}, func(context.Context) []string { return []string{"192.0.2.9:1883", "192.0.2.7:1884"} }, func(context.Context) bool { return own }}
}

// setUp runs init and reads what it wrote.
func setUp(t *testing.T, s Setup, around surroundings) (c *config.Config, text, said string) {
	t.Helper()
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	if s.Path == "" {
		s.Path = filepath.Join(t.TempDir(), "sensed.yaml")
	}
	if s.In == nil {
		s.In = strings.NewReader("")
	}
	var out bytes.Buffer
	if err := s.run(t.Context(), around, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	data, err := os.ReadFile(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = config.Parse(s.Path, data); err != nil {
		t.Fatalf("%v in:\n%s", err, data)
	}
	return c, string(data), out.String()
}

func sourcesOf(c *config.Config) (out []string) {
	for _, s := range c.Sources {
		out = append(out, s.Name+" "+s.Device.String())
	}
	return out
}

func TestSetupFindsWhatIsThere(t *testing.T) {
	c, text, said := setUp(t, Setup{Node: "porch", Root: boardOf(t, "3884000")}, near(full(), false, "mosquitto", "homeassistant.local"))
	if c.Node != "porch" || c.Broker.URL != "mqtt://homeassistant.local" || c.Model.Name != "current" {
		t.Errorf("%+v", c)
	}
	got := strings.Join(sourcesOf(c), "\n")
	for _, want := range []string{"camera v4l2:/dev/v4l/by-id/usb-Web cam%3F-index0?fps=5&size=640x480", "libcamera:1?fps=5&size=640x480", "microphone portaudio:default"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
	if strings.Contains(got, "video2") || strings.Contains(got, "video4") {
		t.Errorf("a camera that cannot be used:\n%s", got)
	}
	if c.Sources[0].Tasks[0].ImageTokens != 70 {
		t.Errorf("a board of 4 GB looks with %d tokens", c.Sources[0].Tasks[0].ImageTokens)
	}
	if !strings.Contains(text, "sensed model pull e2b") || !strings.Contains(said, "sensed model pull e2b") {
		t.Errorf("no model is proposed:\n%s%s", text, said)
	}
}

func TestSetupFitsTheBoard(t *testing.T) {
	for memory, want := range map[string]struct {
		words  string
		tokens int
	}{
		"1900000": {"Gemma 4 needs more memory than the 1.9 GB of this board", 70}, "7900000": {"sensed model pull e2b", 140},
		"16300000": {"sensed model pull e4b", 280}, "": {"For real pictures: sensed model pull e2b\nmodel: current\n", 70},
	} {
		c, text, _ := setUp(t, Setup{Cameras: []string{"scene:"}, Root: boardOf(t, memory)}, near(bare(), false))
		if !strings.Contains(text, want.words) || c.Sources[0].Tasks[0].ImageTokens != want.tokens {
			t.Errorf("%s kB: %d tokens in\n%s", memory, c.Sources[0].Tasks[0].ImageTokens, text)
		}
	}
}

func TestSetupOfABareMachine(t *testing.T) {
	c, text, _ := setUp(t, Setup{}, near(bare(), true, "localhost"))
	if c.Broker.URL != "" || len(c.Sources) != 0 || !strings.Contains(text, "# - name: camera") {
		t.Errorf("%+v\n%s", c, text)
	}
	if c, _, _ := setUp(t, Setup{}, near(bare(), false, "localhost")); c.Broker.URL != "mqtt://localhost" {
		t.Errorf("a broker on this machine: %+v", c.Broker)
	}
}

func TestSetupFindsAnnouncedBrokers(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"192.0.2.9", "mqtt://192.0.2.9"}, {"mqtt 192.0.2.9", "mqtt://mqtt"}, {"localhost 192.0.2.9", "mqtt://192.0.2.9"}, {"localhost", "mqtt://localhost"}, {"", ""},
	} {
		if c, _, _ := setUp(t, Setup{}, near(bare(), false, strings.Fields(tt.names)...)); c.Broker.URL != tt.want {
			t.Errorf("of %q is chosen %q, want %q", tt.names, c.Broker.URL, tt.want)
		}
	}
}

func TestSetupAsks(t *testing.T) {
	answers := "shed\nno\nyes\nyes\nno\nrtsp://cam.lan/1?sound\nbroker.lan\nsensed\n\n"
	s := Setup{In: strings.NewReader(answers), Ask: true, Root: boardOf(t, "8000000")}
	c, text, said := setUp(t, s, near(full(), false, "mqtt"))
	if c.Node != "shed" || c.Broker.URL != "mqtt://broker.lan" || c.Broker.Username != "sensed" || c.Broker.PasswordFile != "password.txt" {
		t.Errorf("%+v\n%s", c.Broker, said)
	}
	if got := strings.Join(sourcesOf(c), " "); strings.Contains(got, "Web cam") || !strings.Contains(got, "libcamera:1") {
		t.Errorf("%s\n%s\n%s", got, said, text)
	}
	for _, want := range []string{"Use the camera libcamera:1", "[mqtt://mqtt]", "chmod 640"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q was not said:\n%s", want, said)
		}
	}
	path := filepath.Join(t.TempDir(), "x.yaml")
	err := Setup{Path: path, In: strings.NewReader("shed\n"), Ask: true}.run(t.Context(), near(full(), false), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "not answered to the end") {
		t.Errorf("answers that end: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("something was written all the same")
	}
}

// Nothing that is asked for can make a file that sensed would refuse, and what is
// there stays.
func TestSetupRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sensed.yaml")
	try := func(s Setup) error {
		s.Path, s.In = path, strings.NewReader("")
		return s.run(t.Context(), near(bare(), false), &bytes.Buffer{})
	}
	for _, s := range []Setup{{Node: "a b"}, {Cameras: []string{"vl42:/dev/video0"}}, {Broker: "http://x"}, {Broker: "none", Username: "u"}, {Cameras: []string{"scene:?place=x\nnode: x"}}} {
		if err := try(s); ClassOf(err) != Usage {
			t.Errorf("%+v: %v", s, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%+v: something was written", s)
		}
	}
	if err := try(Setup{Node: "one"}); err != nil {
		t.Fatal(err)
	}
	first, _ := os.ReadFile(path)
	if err := try(Setup{Node: "two"}); ClassOf(err) != Usage || !strings.Contains(err.Error(), "--force") {
		t.Errorf("%v", err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, first) {
		t.Error("the file has changed")
	}
	if err := try(Setup{Node: "two", Force: true}); err != nil {
		t.Fatal(err)
	}
	if old, _ := os.ReadFile(path + ".old"); !bytes.Equal(old, first) {
		t.Error("the old file is not kept")
	}
	if now, _ := os.ReadFile(path); !bytes.Contains(now, []byte("node: two")) {
		t.Errorf("%s", now)
	}
}

// FuzzQuoted: whatever somebody is called, it is the same in the file.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"door", "yes", "5", "a: b", "x#y", "é\t\"", "-", "~", "http://cam/x?y=1&z", "1e3", "\x00", "null", "A,", "a,b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || len(s) > 64 {
			return // YAML has no words for it, or config refuses so many brackets
		}
		d := decision{node: "shed", broker: "mqtt://broker.lan", username: s, model: None}
		c, err := config.Parse("f", []byte(d.text()))
		if err != nil || c.Broker.Username != s {
			t.Errorf("%q is written %s: %v", s, quoted(s), err)
		}
	})
}
