package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/health"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/deploy/models/tiny"
)

// machine makes a root with files of the kernel.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// examined is an examination that has only begun.
func examined(d Doctor) *examination {
	e := &examination{Doctor: d, log: NewLog(config.Log{Level: "error", Format: "text"}, io.Discard).Logger, tell: func(Finding) {}}
	if e.clock == nil {
		e.clock = func() (time.Time, bool) { return time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), true }
	}
	if e.disk == nil {
		e.disk = func(string) (uint64, uint64, error) { return 20 << 30, 32 << 30, nil }
	}
	return e
}

func TestDoctorOfBoards(t *testing.T) {
	const (
		throttled = "sys/devices/platform/soc/soc:firmware/get_throttled"
		emmc      = "sys/block/mmcblk0/device/"
		zone      = "sys/class/thermal/thermal_zone0/"
	)
	for name, tt := range map[string]struct {
		files map[string]string
		check func(*examination) func(context.Context)
		state State
		want  string
	}{
		"a Pi":              {map[string]string{"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\x00"}, func(e *examination) func(context.Context) { return e.board }, Well, "Raspberry Pi 5 Model B Rev 1.0,"},
		"a PC":              {map[string]string{"sys/devices/virtual/dmi/id/product_name": "NUC\n"}, func(e *examination) func(context.Context) { return e.board }, Well, "NUC,"},
		"cool":              {map[string]string{zone + "temp": "47000", throttled: "0"}, func(e *examination) func(context.Context) { return e.heat }, Well, "47.0 °C"},
		"hot":               {map[string]string{zone + "temp": "81000"}, func(e *examination) func(context.Context) { return e.heat }, Warning, "will be throttled"},
		"throttled":         {map[string]string{throttled: "4"}, func(e *examination) func(context.Context) { return e.heat }, Warning, "throttled now"},
		"was throttled":     {map[string]string{throttled: "40000"}, func(e *examination) func(context.Context) { return e.heat }, Warning, "was throttled since"},
		"good supply":       {map[string]string{throttled: "0"}, func(e *examination) func(context.Context) { return e.supply }, Well, "never too low"},
		"bad supply":        {map[string]string{throttled: "50001"}, func(e *examination) func(context.Context) { return e.supply }, Failure, "too low now"},
		"was bad":           {map[string]string{throttled: "10000"}, func(e *examination) func(context.Context) { return e.supply }, Warning, "too low since"},
		"memory":            {map[string]string{"proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n"}, func(e *examination) func(context.Context) { return e.memory }, Well, "5.7 GB of 7.6 GB"},
		"little memory":     {map[string]string{"proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 300000 kB\n"}, func(e *examination) func(context.Context) { return e.memory }, Warning, "292 MB of"},
		"an SD card":        {map[string]string{emmc + "name": "SD64G\n"}, func(e *examination) func(context.Context) { return e.wear }, Well, "mmcblk0 (SD64G) does not tell"},
		"a new eMMC":        {map[string]string{emmc + "life_time": "0x01 0x02\n"}, func(e *examination) func(context.Context) { return e.wear }, Well, "up to 20 %"},
		"an old eMMC":       {map[string]string{emmc + "life_time": "0x09 0x02\n"}, func(e *examination) func(context.Context) { return e.wear }, Warning, "up to 90 %"},
		"a worn eMMC":       {map[string]string{emmc + "life_time": "0x0b 0x02\n"}, func(e *examination) func(context.Context) { return e.wear }, Failure, "end of its life"},
		"no reserve blocks": {map[string]string{emmc + "life_time": "0x01 0x01\n", emmc + "pre_eol_info": "0x03\n"}, func(e *examination) func(context.Context) { return e.wear }, Failure, "end of its life"},
		"a sick disk":       {map[string]string{"sys/fs/ext4/mmcblk0p2/errors_count": "3\n"}, func(e *examination) func(context.Context) { return e.wear }, Warning, "mmcblk0p2 has had 3 errors"},
		"a good disk":       {map[string]string{"sys/fs/ext4/mmcblk0p2/errors_count": "0\n"}, func(e *examination) func(context.Context) { return e.wear }, Well, "no card"},
	} {
		e := examined(Doctor{Root: machine(t, tt.files)})
		tt.check(e)(t.Context())
		if len(e.findings) != 1 || e.findings[0].State != tt.state || !strings.Contains(e.findings[0].What, tt.want) || (tt.state == Well) != (e.findings[0].Do == "") {
			t.Errorf("%s: %+v, want %s and %q", name, e.findings, tt.state, tt.want)
		}
	}
}

// TestDoctorOfProcessors knows that a build without C kernels is told to be slow.
func TestDoctorOfProcessors(t *testing.T) {
	t.Setenv("SENSED_KERNELS", "")
	want := Well
	if strings.Contains(Kernels(), "reference") {
		want = Warning
	}
	e := examined(Doctor{Root: machine(t, map[string]string{"proc/cpuinfo": "processor : 0\nFeatures\t: fp asimd evtstrm crc32 asimdhp asimddp\n"})})
	e.processor(t.Context())
	if len(e.findings) != 1 || e.findings[0].State != want || !strings.Contains(e.findings[0].What, "has asimd asimdhp asimddp") {
		t.Errorf("%+v, want %s and the features that kernels are chosen by", e.findings, want)
	}
	t.Setenv("SENSED_KERNELS", "scalar")
	e.findings = nil
	e.processor(t.Context())
	if len(e.findings) != 1 || e.findings[0].State != Warning {
		t.Errorf("with SENSED_KERNELS: %+v, want a warning", e.findings)
	}
}

func TestDoctorOfDisksAndClocks(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	for free, want := range map[uint64]State{20 << 30: Well, 500 << 20: Warning, 1 << 20: Failure} {
		e := examined(Doctor{disk: func(string) (uint64, uint64, error) { return free, 32 << 30, nil }})
		e.disks(t.Context())
		if e.findings[0].State != want {
			t.Errorf("%d bytes free: %+v", free, e.findings)
		}
	}
	for name, tt := range map[string]struct {
		year   int
		synced bool
		want   State
	}{"right": {2027, true, Well}, "alone": {2027, false, Warning}, "in the past": {1970, false, Failure}} {
		e := examined(Doctor{clock: func() (time.Time, bool) { return time.Date(tt.year, 1, 1, 0, 0, 0, 0, time.UTC), tt.synced }})
		e.time(t.Context())
		if e.findings[0].State != tt.want {
			t.Errorf("a clock that is %s: %+v", name, e.findings)
		}
	}
}

// write puts a text into a file of the test.
func writeText(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// findings of a whole run, by check.
func examine(t *testing.T, text string) (map[string]Finding, error) {
	t.Helper()
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	d := Doctor{Config: writeText(t, filepath.Join(t.TempDir(), "sensed.yaml"), text)}
	found := map[string]Finding{}
	e := examined(d)
	e.Root = "/"
	for _, check := range []func(context.Context){e.configuration, e.daemon, e.model, e.tools, e.sources, e.broker} {
		check(t.Context())
	}
	for _, f := range e.findings {
		found[f.Check] = f
	}
	if e.count(Failure) > 0 {
		return found, errors.New("there are failures")
	}
	return found, nil
}

func TestDoctorTriesWhatIsConfigured(t *testing.T) {
	m := mqtttest.Start(t, mqtttest.Options{User: "sensed", Password: "right"})
	dir := t.TempDir()
	right, wrong := writeText(t, filepath.Join(dir, "right"), "right\n"), writeText(t, filepath.Join(dir, "wrong"), "wrong\n")
	speech, err := fs.ReadFile(tiny.Files(), "samples/speech0.wav")
	if err != nil {
		t.Fatal(err)
	}
	wav := writeText(t, filepath.Join(dir, "speech.wav"), string(speech))
	good := fmt.Sprintf("broker: {url: %q, username: sensed, password_file: %s}\nsources: [{name: eye, source: 'scene:'}, {name: ear, source: 'wav:%s'}]\n", m.URL(), right, wav)
	found, err := examine(t, good)
	if err != nil {
		t.Errorf("%+v", found)
	}
	for check, want := range map[string]string{"configuration": "2 sources", "source eye": "picture of 640x480", "source ear": "dBFS", "broker": "lets the node in", "daemon": "does not run", "model": "demonstration"} {
		if !strings.Contains(found[check].What, want) {
			t.Errorf("%s: %+v, want %q", check, found[check], want)
		}
	}
	bad := fmt.Sprintf("broker: {url: %q, username: sensed, password_file: %s}\nsources: [{name: eye, source: 'v4l2:/dev/video99'}, {name: ear, source: 'exec:head -c 64000 /dev/zero?once'}]\nmodel: {text: /nonexistent.gguf}\n", m.URL(), wrong)
	found, err = examine(t, bad)
	for check, want := range map[string]string{"source eye": "/dev/video99", "broker": "refuses user", "model": "/nonexistent.gguf"} {
		if f := found[check]; err == nil || f.State != Failure || !strings.Contains(f.What, want) || f.Do == "" {
			t.Errorf("%s: %+v, want %q", check, f, want)
		}
	}
	if f := found["source ear"]; f.State != Warning || !strings.Contains(f.What, "every sample is zero") {
		t.Errorf("a muted microphone: %+v", f)
	}
	if found, _ = examine(t, "brokr: {}\n"); found["configuration"].State != Failure || !strings.Contains(found["configuration"].What, "1:1: brokr") {
		t.Errorf("%+v", found["configuration"])
	}
	if found, _ = examine(t, "broker: {url: 'mqtt://x', username: 'credential:u'}\n"); found["configuration"].State != Warning {
		t.Errorf("%+v", found["configuration"])
	}
}

func TestDoctorEndToEnd(t *testing.T) {
	e := examined(Doctor{})
	e.endToEnd(t.Context())
	if e.findings[0].State != Well || !strings.Contains(e.findings[0].What, "became a caption") {
		t.Errorf("%+v", e.findings)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e = examined(Doctor{})
	if e.endToEnd(ctx); e.findings[0].State != Failure {
		t.Errorf("a run that cannot end well: %+v", e.findings)
	}
}

// Secrets, pictures and words may be anywhere that the archive is made from.
func TestBundleHasNoSecrets(t *testing.T) {
	const (
		password = "correct horse"
		word     = "the baby sleeps upstairs"
		last     = "a man with a red umbrella"
	)
	dir := t.TempDir()
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	t.Setenv("HF_TOKEN_PATH", writeText(t, filepath.Join(dir, "token"), "hf_verysecret\n"))
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	path := writeText(t, filepath.Join(dir, "sensed.yaml"), `node: porch
broker: {url: "mqtt://broker.lan", username: gerda-k, password_file: `+writeText(t, filepath.Join(dir, "password.txt"), password+"\n")+`}
sources:
  - {name: door, source: "rtsp://admin:camsecret@cam.lan/1?fps=1", tasks: [{kind: prompt, prompt: "Is Gerda at home?"}]}
`)
	lines := []string{
		`{"__REALTIME_TIMESTAMP":"1790000000000000","PRIORITY":"6","MESSAGE":"sensed runs node=porch text=\"` + word + `\"","SENSED_TEXT":"` + word + `"}`,
		`{"__REALTIME_TIMESTAMP":"1790000000000000","PRIORITY":"4","MESSAGE":"source lost source=door err=\"x\"","SENSED_SOURCE":"door","SENSED_ERR":"rtsp://admin:camsecret@cam.lan: refused ` + password + `"}`,
		`{"PRIORITY":"7","MESSAGE":"model answer note=` + word + `"}`,
		`{"PRIORITY":"6","MESSAGE":"time=2026-11-29 level=DEBUG msg=\"` + word + `\""}`,
		`{"PRIORITY":"6","MESSAGE":"time=2026-11-29 level=WARN msg=\"the broker is away\" source=door text=\"` + word + `\" err=\"saw ` + last + `\""}`,
		`{"PRIORITY":"6","MESSAGE":"{\"level\":\"INFO\",\"msg\":\"as json\",\"text\":\"` + word + `\"}"}`,
		`{"PRIORITY":"6","MESSAGE":"{\"level\":\"DEBUG\",\"msg\":\"` + word + `\"}"}`,
		`{"PRIORITY":"6","MESSAGE":[1,2,3]}`, `no json ` + word,
	}
	journal := writeText(t, filepath.Join(dir, "journal"), strings.Join(lines, "\n")+"\n")
	program := writeText(t, filepath.Join(dir, "journalctl"), "#!/bin/sh\ncat "+journal+"\n")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	c, err := config.Parse(path, []byte(strings.ReplaceAll(read(t, path), "admin:camsecret@", "")))
	if err != nil {
		t.Fatal(err)
	}
	e := examined(Doctor{Config: path, Bundle: filepath.Join(dir, "support.tar.gz"), Root: "/"})
	e.config = c
	e.running = &health.Snapshot{Node: "porch", Problems: []string{"source door is lost: " + last}, Sources: []health.Source{{Name: "door", State: "lost", Last: last, LastAt: "12:00"}}}
	e.warn("source door", "rtsp://admin:camsecret@cam.lan/1 does not answer", "")
	e.find(Finding{Check: "configuration", State: Failure, What: `"gerda-k" is wrong: "` + word + `"`, public: "1 mistakes: line 1, column 1"})
	if err := e.bundle(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts := unpack(t, e.Bundle)
	all := ""
	for _, text := range parts {
		all += text
	}
	for _, secret := range []string{password, word, last, "camsecret", "gerda", "Gerda", "hf_verysecret", "admin"} {
		if at := strings.Index(all, secret); at >= 0 {
			t.Errorf("%q is in: …%s…", secret, all[max(0, at-80):at+len(secret)])
		}
	}
	for part, wants := range map[string][]string{
		"log.txt":           {"2026-09-21T14:13:20Z 6 sensed runs\n", "4 source lost source=door err=rtsp://(removed)@cam.lan: refused (removed)", "the broker is away source=door", "as json"},
		"configuration.txt": {"node: porch\n", "sources[0].source: rtsp:(left out)\n", "sources[0].tasks[0].kind: prompt\n"},
		"findings.json":     {`"rtsp://(removed)@cam.lan/1 does not answer"`, "1 mistakes: line 1"},
		"status.json":       {`"state": "lost"`, `"node": "porch"`},
		"system.txt":        {"== /proc/meminfo"},
		"models.json":       {`"folder"`},
	} {
		for _, want := range wants {
			if !strings.Contains(parts[part], want) {
				t.Errorf("%s lacks %q:\n%s", part, want, parts[part])
			}
		}
	}
	if info, err := os.Stat(e.Bundle); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := (Doctor{Bundle: e.Bundle}).Run(t.Context(), io.Discard); ClassOf(err) != Usage {
		t.Errorf("an archive that exists: %v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader([]byte(read(t, path))))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts[filepath.Base(h.Name)] = string(data)
	}
}

// FuzzPublicRecord: only messages, sources and causes come out, never other fields.
func FuzzPublicRecord(f *testing.F) {
	f.Add(`{"PRIORITY":"6","MESSAGE":"a b=c"}`)
	f.Add(`{"PRIORITY":"6","MESSAGE":"time=x level=INFO msg=\"m\" text=\"s3cr3t\""}`)
	f.Add(`{"PRIORITY":"6","MESSAGE":"{\"level\":\"INFO\",\"text\":\"s3cr3t\"}","TEXT":"s3cr3t"}`)
	f.Fuzz(func(t *testing.T, line string) {
		out := publicRecord([]byte(line))
		if strings.Count(out, "\n") > 1 {
			t.Errorf("%q gives %q", line, out)
		}
	})
}
