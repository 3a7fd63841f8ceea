package readmetest

import (
	"bufio"
	"context"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/modelstore"
	"sensed/daemon/modelstore/hubtest"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/deploy/models/tiny"
)

// way is how a command of the README is tried.
type way struct {
	says  string // it succeeds and its output contains this
	until bool   // it never ends by itself: it is interrupted when it has said so
	why   string // it cannot be executed here, for this reason
	hub   bool   // it asks a hub on loopback, which has the demonstration model under a great name
}

const board = "changes the machine that it runs on; deploy/packagetest does the same with dpkg, in the guest"

// ways has every command of the README's sh blocks, without its comment.
var ways = map[string]way{
	"bash deploy/demo.sh": {says: "caption", until: true},
	"bash deploy/test.sh": {why: "this test is a part of it"},

	"sensed model pull e2b": {says: "e2b is the model in use", hub: true},
	"sensed infer --model current --image deploy/models/tiny/samples/scene1.png": {says: "bus", hub: true},

	"sensed infer --image deploy/models/tiny/samples/scene1.png":                      {says: "bus"},
	"sensed infer --image deploy/models/tiny/samples/scene1.png --task detect --json": {says: `"bus"`},
	"sensed infer --audio deploy/models/tiny/samples/speech0.wav":                     {says: "door"},
	"echo 'Hello world' | sensed tokenize":                                            {says: "["},

	`mosquitto_pub -t sensed/porch/ask -m '{"id": "1", "source": "door", "question": "Is the gate open?", "choices": ["yes", "no"]}'`: {},
	"mosquitto_pub -t sensed/porch/hall/microphone/set -m OFF":                                                                        {},

	`sudo apt install ./dist/sensed_*_"$(dpkg --print-architecture)".deb`: {why: board},
	"sudo sensed model pull e2b":                                          {why: "the same is run without sudo"},
	"sudo sensed init --force":                                            {why: "asks the owner; the tests of daemon/sensed answer it"},
	"sudo systemctl restart sensed":                                       {why: board},
	"journalctl -u sensed -f":                                             {why: "shows a service that is not installed here"},
	"sudo apt remove sensed":                                              {why: board},
	"sudo apt purge sensed":                                               {why: board},
	"sudo bash deploy/install.sh":                                         {why: "changes the machine; deploy/installtest does the same into a folder"},
	"sudo bash deploy/install.sh --uninstall":                             {why: "changes the machine; deploy/installtest does the same in a folder"},
}

// commands returns the lines of the README's sh blocks, without comments.
func commands(t *testing.T) (readme string, lines []string) {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme = string(data)
	comment := regexp.MustCompile(`\s+# .*$`)
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readme, -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(comment.ReplaceAllString(strings.TrimRight(line, "\n"), "")); line != "" {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		t.Fatal("the README has no commands")
	}
	return readme, lines
}

// program builds sensed as the README says and returns its folder.
func program(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("bash", "../build.sh", filepath.Join(dir, "sensed")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func TestCommands(t *testing.T) {
	readme, lines := commands(t)
	bin := program(t)
	broker := mqtttest.Start(t, mqtttest.Options{Quiet: true})
	heard := mqtttest.Listen(t, broker.URL(), "#", nil)
	address, err := url.Parse(broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	// The commands speak with the usual port; here it is another.
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "mosquitto_pub"), []byte("-p "+address.Port()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+home)

	withHub := append(slices.Clip(env), "HF_ENDPOINT="+hub(t).URL, "STATE_DIRECTORY="+t.TempDir())

	tried := map[string]bool{}
	for _, line := range lines {
		w, known := ways[line]
		switch tried[line] = true; {
		case !known:
			t.Errorf("nobody says how to try %q", line)
		case w.why != "":
			t.Logf("not run: %s: %s", line, w.why)
		default:
			t.Run(strings.Fields(line)[0], func(t *testing.T) {
				if w.hub {
					try(t, line, w, withHub)
				} else {
					try(t, line, w, env)
				}
			})
		}
	}
	for line := range ways {
		if !tried[line] {
			t.Errorf("the README has no %q", line)
		}
	}
	heard.AwaitMessage("sensed/porch/ask", "")
	heard.AwaitMessage("sensed/porch/hall/microphone/set", "OFF")

	// What stands in the text: scripts that are there, commands that sensed has.
	for _, m := range regexp.MustCompile("`bash (deploy/[^ `]+)").FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, m := range regexp.MustCompile("`sensed ([a-z]+)").FindAllStringSubmatch(readme, -1) {
		if out, err := exec.Command(filepath.Join(bin, "sensed"), "help", m[1]).CombinedOutput(); err != nil {
			t.Errorf("sensed %s: %v\n%s", m[1], err, out)
		}
	}
}

// hub plays Hugging Face.
func hub(t *testing.T) *httptest.Server {
	t.Helper()
	files := map[string][]byte{}
	for name, from := range map[string]string{"gemma-4-E2B-it-Q4_0.gguf": tiny.Text, "mmproj-gemma-4-E2B-it-Q8_0.gguf": tiny.Projector} {
		data, err := fs.ReadFile(tiny.Files(), from)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	for _, k := range modelstore.Catalogue() {
		if k.Name == "e2b" {
			return hubtest.Start(t, k.Repository, files)
		}
	}
	t.Fatal("there is no model e2b")
	return nil
}

// figures of the README's table of speed stand in the document that says how they
// were measured.
func TestSpeedTable(t *testing.T) {
	readme, _ := commands(t)
	source, err := os.ReadFile("../docs/speed.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(readme, "## How fast it is\n")
	if !ok {
		t.Fatal("the README has no table of speed")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	figures := regexp.MustCompile(`[0-9.]+ (s|tokens/s|GB)\b`).FindAllString(table, -1)
	if len(figures) < 10 {
		t.Errorf("only %d figures", len(figures))
	}
	for _, f := range figures {
		if !regexp.MustCompile(`(^|[^0-9.])` + regexp.QuoteMeta(f) + `\b`).Match(source) {
			t.Errorf("the README says %q, and deploy/docs/speed.md does not", f)
		}
	}
}

// try executes a command line in the repository, as somebody who reads the
// README does.
func try(t *testing.T, line string, w way, env []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = "../..", env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt reaches all of it, as from a terminal
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if !w.until {
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), w.says) {
			t.Errorf("%s: %v, want %q in\n%s", line, err, w.says, out)
		}
		return
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := false
	for s := bufio.NewScanner(out); s.Scan(); {
		if !said && strings.Contains(s.Text(), w.says) {
			said = true
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // it is there: it has just spoken
		}
	}
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); !said || code != 0 && code != 130 {
		t.Errorf("%s: %v; did it say %q: %t\n%s", line, err, w.says, said, &complaints)
	}
}
