package main

import (
	"os"
	"strings"
	"testing"
)

func TestConfigMigrate(t *testing.T) {
	const old = "# mine\nnode: porch   # by the door\nled:\n  pin: GPIO27\n"
	path := file(t, "sensed.yaml", old)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	does := func(code int, words string, args ...string) {
		t.Helper()
		got, out, notes := call(t, "", append([]string{"config"}, args...)...)
		if got != code || !strings.Contains(out+notes, words) {
			t.Errorf("sensed config %q: exit code %d, want %d and %q\n%s%s", args, got, code, words, out, notes)
		}
	}
	holds := func(path, want string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil || string(data) != want {
			t.Errorf("%s holds %q (%v), want %q", path, data, err, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
	does(0, ":4:3: led.pin: since version 2 it is called model; sensed config migrate", "check", path)
	does(0, `"field":"led.pin"`, "check", "--json", path)
	holds(path, old)

	does(0, "the old file is "+path+".v1", "migrate", path)
	fresh := strings.Replace(old, "pin", "model", 1)
	holds(path, fresh)
	holds(path+".v1", old)
	does(0, "needs nothing", "migrate", path)

	// An old file that was kept is kept for good.
	other := old + "unchanged: send\n"
	if err := os.WriteFile(path, []byte(other), 0o640); err != nil {
		t.Fatal(err)
	}
	does(1, "move it away", "migrate", path)
	holds(path, other)
	holds(path+".v1", old)

	wrong := file(t, "wrong.yaml", "led: {pin: 5, lamp: 6}\n")
	does(3, ":1:17: led.lamp:", "migrate", wrong)
	if _, err := os.Stat(wrong + ".v1"); err == nil {
		t.Error("a file that is wrong was kept as if it was migrated")
	}
	does(1, "cannot be read", "migrate", path+"none")
	does(2, "one file is wanted at a time", "migrate", path, path)
}
