package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestArrows lists the packages once with cgo and once without, because the
// two builds have different files.
func TestArrows(t *testing.T) {
	for _, cgo := range []string{"1", "0"} {
		packages := list(t, cgo)
		if len(packages) < 10 {
			t.Fatalf("go list finds %d packages only", len(packages))
		}
		for _, p := range packages {
			for _, v := range violations(p) {
				t.Errorf("CGO_ENABLED=%s: %s", cgo, v)
			}
		}
	}
}

func list(t *testing.T, cgo string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestViolations(t *testing.T) {
	for _, c := range []struct {
		p    pkg
		want string
	}{
		{pkg{ImportPath: "sensed/devices/v4l2", Imports: []string{"sensed/devices", "golang.org/x/sys/unix"}}, ""},
		{pkg{ImportPath: "sensed/devices/v4l2", Imports: []string{"sensed/daemon/event"}}, "devices/v4l2 imports daemon/event"},
		{pkg{ImportPath: "sensed/devices/v4l2", Imports: []string{"sensed/devices/replay"}}, "devices/v4l2 imports devices/replay"},
		{pkg{ImportPath: "sensed/devices/v4l2", XTestImports: []string{"sensed/devices/devicetest"}}, ""},
		{pkg{ImportPath: "sensed/devices/v4l2", XTestImports: []string{"sensed/daemon/app"}}, "a test of devices/v4l2 imports daemon/app"},
		{pkg{ImportPath: "sensed/kernels", Imports: []string{"sensed/kernels/gemma4"}}, "kernels imports kernels/gemma4"},
		{pkg{ImportPath: "sensed/kernels/ref", Imports: []string{"sensed/kernels"}}, "kernels/ref imports kernels"},
		{pkg{ImportPath: "sensed/daemon/pipeline", Imports: []string{"sensed/daemon/understand"}}, "daemon/pipeline imports daemon/understand"},
		{pkg{ImportPath: "sensed/daemon/web", Imports: []string{"sensed/daemon/pipeline"}}, "daemon/web imports daemon/pipeline"},
		{pkg{ImportPath: "sensed/daemon/app", Imports: []string{"sensed/devices/gpio", "sensed/daemon/web"}}, ""},
		{pkg{ImportPath: "sensed/daemon/web", Imports: []string{"github.com/eclipse/paho.mqtt.golang/packets"}}, "which only [daemon/mqtt/...] may"},
		{pkg{ImportPath: "sensed/attic", Imports: nil}, "attic has no line in the table"},
		{pkg{ImportPath: "other/thing"}, "does not belong to the module"},
	} {
		got := strings.Join(violations(c.p), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.p, got, c.want)
		}
	}
}
