package packagetest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// There is no container engine here: these tests read the recipes and hold
// them against what they name.

// instructions returns the instructions of a Dockerfile, each in one line.
func instructions(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	if len(out) == 0 || !strings.HasPrefix(out[0], "FROM ") {
		t.Fatalf("%s does not begin with FROM", path)
	}
	return out
}

// installed runs deploy/install.sh as the recipes do and returns the folder.
func installed(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sensed")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	cmd := exec.Command("bash", "../install.sh")
	cmd.Env = append(os.Environ(), "DESTDIR="+tree, "PREFIX=/usr", "SENSED="+program)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return tree
}

func TestContainerRecipe(t *testing.T) {
	tree := installed(t)
	recipe := instructions(t, "../container/Dockerfile")
	if user := slices.Index(recipe, "USER sensed"); user < 0 || user > slices.IndexFunc(recipe, func(i string) bool { return strings.HasPrefix(i, "ENTRYPOINT") }) {
		t.Error("it runs as root")
	}
	copied := 0
	for _, line := range recipe {
		if from, ok := strings.CutPrefix(line, "COPY --from=build "); ok {
			fields := strings.Fields(from)
			source, target := fields[len(fields)-2], fields[len(fields)-1]
			at := strings.TrimPrefix(source, "/tree")
			if _, err := os.Stat(filepath.Join(tree, at)); err != nil || at != target {
				t.Errorf("%s: install.sh puts nothing there, or it goes elsewhere", line)
			}
			copied++
		}
		for _, script := range regexp.MustCompile(`\bdeploy/[a-z./]+\.sh`).FindAllString(line, -1) {
			if _, err := os.Stat(filepath.Join("../..", script)); err != nil {
				t.Error(err)
			}
		}
		if arguments, ok := strings.CutPrefix(line, "CMD "); ok {
			starts(t, tree, arguments)
		}
	}
	if copied != 3 {
		t.Errorf("%d things are copied out of the first stage", copied)
	}
	if mod, err := os.ReadFile("../../go.mod"); err != nil {
		t.Error(err)
	} else if version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod); !strings.HasPrefix(recipe[0], "FROM golang:"+string(version[1])+"-") {
		t.Errorf("%s, but go.mod asks for Go %s", recipe[0], version[1])
	}
}

// starts checks what a container is started with: the service's own words.
func starts(t *testing.T, tree, arguments string) {
	t.Helper()
	var words []string
	if err := json.Unmarshal([]byte(arguments), &words); err != nil {
		t.Fatalf("%s: %v", arguments, err)
	}
	unit, err := os.ReadFile(filepath.Join(tree, "usr/lib/systemd/system/sensed.service"))
	if err != nil {
		t.Fatal(err)
	}
	if line := "ExecStart=/usr/bin/sensed " + strings.Join(words, " ") + "\n"; !strings.Contains(string(unit), line) {
		t.Errorf("the container is started with %q, the service otherwise", words)
	}
}

func TestAddOnRecipe(t *testing.T) {
	const folder = "../homeassistant/sensed"
	tree := installed(t)
	for _, line := range instructions(t, filepath.Join(folder, "Dockerfile")) {
		if from, ok := strings.CutPrefix(line, "COPY "); ok {
			source := strings.Fields(from)[0]
			if source == "sensed_*.deb" { // deploy/package.sh makes it
				continue
			}
			if _, err := os.Stat(filepath.Join(folder, source)); err != nil {
				t.Error(err)
			}
		}
	}
	script, err := os.ReadFile(filepath.Join(folder, "run.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/usr/bin/sensed", "/etc/sensed/sensed.yaml"} {
		if _, err := os.Stat(filepath.Join(tree, path)); err != nil || !strings.Contains(string(script), path) {
			t.Errorf("the script and the package do not agree about %s: %v", path, err)
		}
	}
	if out, err := exec.Command("bash", "-n", filepath.Join(folder, "run.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// addOn is what Home Assistant documents of the keys that we use
// (https://developers.home-assistant.io/docs/add-ons/configuration).
type addOn struct {
	Name             string            `json:"name"`
	Version          string            `json:"version"`
	Slug             string            `json:"slug"`
	Description      string            `json:"description"`
	Arch             []string          `json:"arch"`
	Startup          string            `json:"startup"`
	Boot             string            `json:"boot"`
	Init             *bool             `json:"init"`
	Services         []string          `json:"services"`
	Map              []mapping         `json:"map"`
	Audio            *bool             `json:"audio"`
	Video            *bool             `json:"video"`
	GPIO             *bool             `json:"gpio"`
	Devices          []string          `json:"devices"`
	Ports            map[string]*int   `json:"ports"`
	PortsDescription map[string]string `json:"ports_description"`
	BackupExclude    []string          `json:"backup_exclude"`
	Options          map[string]any    `json:"options"`
	Schema           map[string]any    `json:"schema"`
}

type mapping struct {
	Type     string `json:"type"`
	ReadOnly *bool  `json:"read_only"`
	Path     string `json:"path"`
}

func TestAddOnConfiguration(t *testing.T) {
	f, err := os.Open("../homeassistant/sensed/config.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c addOn
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if c.Name == "" || c.Version == "" || c.Description == "" || !regexp.MustCompile(`^[-_.A-Za-z0-9]+$`).MatchString(c.Slug) {
		t.Errorf("a key is missing that every add-on has: %+v", c)
	}
	within := func(key string, all []string, known ...string) {
		for _, v := range all {
			if !slices.Contains(known, v) {
				t.Errorf("%s: %q is none of %q", key, v, known)
			}
		}
	}
	if len(c.Arch) == 0 {
		t.Error("there is no arch")
	}
	within("arch", c.Arch, "aarch64", "amd64") // our packages are for these
	within("startup", []string{c.Startup}, "initialize", "system", "services", "application", "once")
	within("boot", []string{c.Boot}, "auto", "manual", "manual_only")
	within("services", c.Services, "mqtt:provide", "mqtt:want", "mqtt:need", "mysql:provide", "mysql:want", "mysql:need")
	for _, m := range c.Map {
		within("map", []string{m.Type}, "homeassistant_config", "addon_config", "ssl", "addons", "backup", "share", "media", "all_addon_configs", "data")
	}
	for _, device := range c.Devices {
		if !strings.HasPrefix(device, "/dev/") {
			t.Errorf("devices: %q is none", device)
		}
	}
	for port := range c.Ports {
		if !regexp.MustCompile(`^\d+/(tcp|udp)$`).MatchString(port) || c.PortsDescription[port] == "" {
			t.Errorf("ports: %q is none, or has no description", port)
		}
	}
	dockerfile := strings.Join(instructions(t, "../homeassistant/sensed/Dockerfile"), "\n")
	if !strings.Contains(dockerfile, `io.hass.version="`+c.Version+`"`) || !strings.Contains(dockerfile, `io.hass.arch="`+strings.Join(c.Arch, "|")+`"`) {
		t.Error("the labels of the Dockerfile say something else")
	}
}

// TestMaintainerScripts lets the shell of Debian read them.
func TestMaintainerScripts(t *testing.T) {
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		if out, err := exec.Command("sh", "-n", filepath.Join("../deb", name)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
