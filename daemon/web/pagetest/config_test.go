package pagetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const configured = `node: shed
broker: {listen: %q}
model: {threads: 1}
health: {every: 60s}
sources:
  - name: yard
    source: scene:?seed=3&fps=1
    tasks: [{kind: caption, every: 1h}]
web: {listen: %q, password_file: password}
`

// configuration is a daemon that runs with a file, and a page that shows its editor.
type configuration struct {
	*tab
	path, text string
}

// configure starts the daemon and logs in.
func configure(t *testing.T) configuration {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "sensed.yaml")
	address := free(t)
	text := fmt.Sprintf(configured, free(t), address)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const password = "open sesame, please"
	set := exec.Command(program, "web", "password", "--config", path)
	set.Stdin = strings.NewReader(password + "\n")
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	daemon := exec.Command(program, "run", "--config", path)
	daemon.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+folder, "STATE_DIRECTORY="+folder)
	said, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	daemon.Stderr = said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait() // killed
		if t.Failed() {
			log, _ := os.ReadFile(said.Name())
			t.Logf("the daemon says:\n%s", log)
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if log, _ := os.ReadFile(said.Name()); strings.Contains(string(log), "sensed runs") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the daemon never runs")
		}
	}

	p := look(t, "http://"+address+"/#/config", 1280, 900)
	p.wait("document.querySelector('#password') || document.querySelector('textarea')")
	eval[bool](p, fmt.Sprintf("(document.querySelector('#password') && (document.querySelector('#password').value = %q, document.querySelector('form').requestSubmit()), true)", password))
	return configuration{p, path, text}
}

// TestConfiguration edits the file of a running daemon: a mistake, a change, and
// the way back.
func TestConfiguration(t *testing.T) {
	c := configure(t)
	p := c.tab
	p.wait("document.querySelector('#config-text')?.value.includes('node: shed')")
	write := func(from, to string) {
		eval[bool](p, fmt.Sprintf("((a) => (a.value = a.value.replace(%q, %q), a.dispatchEvent(new Event('input')), true))(document.querySelector('#config-text'))", from, to))
	}
	const save = "document.querySelector('.editor button.main')"
	write("kind: caption", "kind: captoin")
	p.wait("document.querySelector('.mistakes')?.textContent.includes('line 8') && document.querySelector('.mistakes').textContent.includes('caption')")
	if !eval[bool](p, save+".disabled") {
		t.Error("a mistake can be saved")
	}
	eval[bool](p, "(document.querySelector('.mistakes button').click(), true)")
	if marked := eval[string](p, "((a) => a.value.slice(a.selectionStart, a.selectionEnd))(document.querySelector('#config-text'))"); !strings.HasPrefix(marked, "captoin") {
		t.Errorf("the mistake leads to %q", marked)
	}
	for _, phone := range []bool{true, false} {
		p.narrow(phone)
		faults(t, p, fmt.Sprintf("the configuration with a mistake, phone %t", phone))
	}

	write("kind: captoin", "kind: caption")
	write("every: 1h", "every: 2h")
	p.wait("[...document.querySelectorAll('.diff .added')].some((l) => l.textContent.includes('every: 2h')) && [...document.querySelectorAll('.diff .removed')].some((l) => l.textContent.includes('every: 1h'))")
	p.wait("!" + save + ".disabled")
	faults(t, p, "the configuration with a change")
	eval[bool](p, "("+save+".click(), true)")
	p.wait("document.querySelector('#config-earlier option') && document.querySelector('.saved')?.textContent")
	if now, _ := os.ReadFile(c.path); !strings.Contains(string(now), "every: 2h") {
		t.Fatalf("the file is not saved:\n%s", now)
	}

	// Back again.
	eval[bool](p, "(document.querySelector('#config-earlier').parentElement.querySelector('button').click(), true)")
	p.wait("document.querySelector('#config-text').value.includes('every: 1h')")
	p.wait("!" + save + ".disabled")
	eval[bool](p, "("+save+".click(), true)")
	p.wait("document.querySelectorAll('#config-earlier option').length === 2")
	faults(t, p, "the configuration after it was saved")
	if now, _ := os.ReadFile(c.path); string(now) != c.text {
		t.Errorf("the file is not what it was:\n%s", now)
	}
}
