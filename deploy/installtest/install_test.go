package installtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/config"
)

// program stands in for sensed: what is installed is copied, not run.
const program = "#!/bin/sh\nexit 0\n"

// install runs the script with DESTDIR and returns what it printed.
func install(t *testing.T, destdir, prefix string, args ...string) string {
	t.Helper()
	built := filepath.Join(t.TempDir(), "sensed")
	if err := os.WriteFile(built, []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", append([]string{filepath.Join("..", "install.sh")}, args...)...)
	cmd.Env = append(os.Environ(), "DESTDIR="+destdir, "PREFIX="+prefix, "SENSED="+built)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// tree returns the files below a folder with their modes.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[name] = info.Mode().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInstallAndUninstall(t *testing.T) {
	for _, prefix := range []string{"/usr/local", "/usr"} {
		root := t.TempDir()
		install(t, root, prefix)
		p := strings.TrimPrefix(prefix, "/")
		want := map[string]string{
			p + "/bin/sensed":                          "-rwxr-xr-x",
			p + "/lib/systemd/system/sensed.service":   "-rw-r--r--",
			p + "/lib/sysusers.d/sensed.conf":          "-rw-r--r--",
			p + "/lib/udev/rules.d/60-sensed.rules":    "-rw-r--r--",
			p + "/share/doc/sensed/README.md":          "-rw-r--r--",
			p + "/share/doc/sensed/LICENSE":            "-rw-r--r--",
			p + "/share/doc/sensed/sensed.sample.yaml": "-rw-r--r--",
			"etc/sensed/sensed.yaml":                   "-rw-r-----",
		}
		if diff := cmp.Diff(want, tree(t, root)); diff != "" {
			t.Errorf("PREFIX=%s: files (-want +got):\n%s", prefix, diff)
		}
		if got := read(t, root, prefix, "bin/sensed"); got != program {
			t.Errorf("the program became %q", got)
		}
		unit := read(t, root, prefix, "lib/systemd/system/sensed.service")
		if line := "ExecStart=" + prefix + "/bin/sensed run --config /etc/sensed/sensed.yaml\n"; !strings.Contains(unit, line) {
			t.Errorf("PREFIX=%s: the unit lacks %q", prefix, line)
		}

		install(t, root, prefix, "--uninstall")
		want = map[string]string{"etc/sensed/sensed.yaml": "-rw-r-----"}
		if diff := cmp.Diff(want, tree(t, root)); diff != "" {
			t.Errorf("PREFIX=%s: after --uninstall (-want +got):\n%s", prefix, diff)
		}
	}
}

func TestConfigurationIsKept(t *testing.T) {
	root := t.TempDir()
	install(t, root, "/usr/local")
	path := filepath.Join(root, "etc/sensed/sensed.yaml")
	if err := os.WriteFile(path, []byte("node: mine\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if out := install(t, root, "/usr/local"); !strings.Contains(out, "stays as it is") {
		t.Errorf("it does not say that the configuration stays:\n%s", out)
	}
	if got := read(t, path); got != "node: mine\n" {
		t.Errorf("the configuration became %q", got)
	}
}

func TestUnknownOption(t *testing.T) {
	cmd := exec.Command("bash", filepath.Join("..", "install.sh"), "--remove")
	cmd.Env = append(os.Environ(), "DESTDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "usage:") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUnit lets systemd itself read the unit and judge its sandbox.
func TestUnit(t *testing.T) {
	root := t.TempDir()
	install(t, root, "/usr/local")
	// systemd looks for the program, which lies below root.
	unit := read(t, root, "usr/local/lib/systemd/system/sensed.service")
	path := filepath.Join(t.TempDir(), "sensed.service")
	there := strings.ReplaceAll(unit, "/usr/local/bin", filepath.Join(root, "usr/local/bin"))
	if err := os.WriteFile(path, []byte(there), 0o600); err != nil {
		t.Fatal(err)
	}
	// verify succeeds with unknown keys too, but it complains about them.
	if out := run(t, "systemd-analyze", "verify", path); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	run(t, "systemd-analyze", "security", "--offline=yes", "--threshold=16", path) // exposure 1.6 at most
}

func TestSystemUser(t *testing.T) {
	path, err := filepath.Abs("../../systemd/sensed.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir() // without users, so that all of them would be made
	out := run(t, "systemd-sysusers", "--dry-run", "--root="+root, path)
	for _, want := range []string{"Creating user 'sensed'", "Creating group 'gpio'", "Creating group 'video'"} {
		if !strings.Contains(out, want) {
			t.Errorf("systemd-sysusers does not say %q:\n%s", want, out)
		}
	}
}

// run returns what a program of systemd prints and fails the test when it is
// not content.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: install the package systemd (bash deploy/setup.sh test)", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestFirstConfiguration checks that what is installed is a configuration.
func TestFirstConfiguration(t *testing.T) {
	c, err := config.Load(filepath.Join("..", "sensed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 2 || c.Model.Name != "current" {
		t.Errorf("%d sources, model %q", len(c.Sources), c.Model.Name)
	}
}
