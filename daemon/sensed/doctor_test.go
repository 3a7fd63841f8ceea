package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/daemon/app"
)

func TestDoctor(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	config := file(t, "sensed.yaml", "broker: {url: 'mqtt://127.0.0.1:1'}\nsources: [{name: eye, source: 'scene:'}]\n")
	bundle := filepath.Join(t.TempDir(), "support.tar.gz")
	code, out, notes := call(t, "", "doctor", "--config", config, "--bundle", bundle)
	for _, want := range []string{"ok       program", "ok       source eye     picture of", "failure  broker         no MQTT broker answers at 127.0.0.1:1", "-> ", "ok       end to end", "support.tar.gz is written"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if code != 1 || !strings.Contains(notes, "keep sensed from working") || strings.Contains(out, "\x1b") {
		t.Errorf("exit code %d: %s", code, notes)
	}
	if info, err := os.Stat(bundle); err != nil || info.Size() < 500 {
		t.Errorf("%v, %v", info, err)
	}
	if code, _, notes := call(t, "", "doctor", "--config", config, "--bundle", bundle); code != 2 || !strings.Contains(notes, "--force") {
		t.Errorf("exit code %d: %s", code, notes)
	}
	code, out, _ = call(t, "", "doctor", "--config", file(t, "good.yaml", "sources: [{name: eye, source: 'scene:'}]\n"), "--json")
	got := parse[struct {
		Findings []app.Finding
		Failures int
	}](t, out)
	if got.Failures > 0 && code != 1 || got.Failures == 0 && code != 0 || len(got.Findings) < 12 {
		t.Errorf("exit code %d: %+v", code, got)
	}
}

// The doctor asks a daemon that runs, and takes no device from it.
func TestDoctorAsksTheDaemon(t *testing.T) {
	t.Parallel()
	config := file(t, "sensed.yaml", garden("garden", listenAt(t)))
	p := start(t, nil, "run", "--config", config)
	p.err.await(t, "sensed runs")
	d := start(t, []string{"RUNTIME_DIRECTORY=" + p.runtime}, "doctor", "--config", config)
	d.wait()
	for _, want := range []string{"daemon         it", "source garden  the daemon says: "} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, d.out)
		}
	}
}
