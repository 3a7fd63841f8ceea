package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensed/daemon/config"
)

// A support archive goes to strangers. So each part of it is made of what is
// known to be harmless, and not by taking out what is known to be harmful; what
// is taken out besides (secrets that are known, and the last words) is for what
// an error message might quote.

const (
	logLines  = 2000     // of the journal
	maxLog    = 32 << 20 // bytes of it
	logTime   = 20 * time.Second
	maxSecret = 4096 // bytes of a file that holds one
)

// bundle writes the archive, for its owner's eyes only.
func (e *examination) bundle(ctx context.Context) error {
	scrub := newScrubber(e.secrets()...)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	now := time.Now()
	for _, part := range []struct {
		name string
		text string
	}{
		{"README.txt", "Made by sensed doctor --bundle on " + now.UTC().Format(time.RFC3339) + ". No passwords, pictures or words are in it.\n"},
		{"findings.json", e.publicFindings()},
		{"configuration.txt", e.publicConfig()},
		{"status.json", e.publicStatus()},
		{"models.json", publicModels()},
		{"system.txt", e.publicSystem()},
		{"log.txt", publicLog(ctx)},
	} {
		data := []byte(scrub.clean(part.text))
		if err := t.WriteHeader(&tar.Header{Name: "sensed-support/" + part.name, Mode: 0o600, Size: int64(len(data)), ModTime: now}); err != nil {
			return err
		}
		if _, err := t.Write(data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return writeFile(e.Bundle, b.Bytes(), 0o600, e.Force)
}

func indented(v any) string {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(data) + "\n"
}

func (e *examination) publicFindings() string {
	all := slices.Clone(e.findings)
	for i, f := range all {
		if f.public != "" {
			all[i].What = f.public
		}
	}
	return indented(all)
}

func (e *examination) publicConfig() string {
	if e.Config == "" {
		return "none\n"
	}
	data, err := os.ReadFile(e.Config)
	if err != nil {
		return "it cannot be read\n"
	}
	return config.Redacted(data)
}

// publicStatus is what the daemon says without the last words.
func (e *examination) publicStatus() string {
	if e.running == nil {
		return "no daemon answered\n"
	}
	s := *e.running
	s.Sources = slices.Clone(s.Sources)
	for i := range s.Sources {
		s.Sources[i].Last, s.Sources[i].LastAt = "", ""
	}
	return indented(s)
}

func publicModels() string {
	var b strings.Builder
	if err := ListModels(ModelFolder(), true, &b); err != nil {
		return "they cannot be listed\n"
	}
	return b.String()
}

// publicSystem is what the machine is.
func (e *examination) publicSystem() string {
	var b strings.Builder
	for _, path := range []string{"etc/os-release", "proc/version", "proc/meminfo", "proc/loadavg", "proc/uptime", "proc/pressure/memory"} {
		data, err := os.ReadFile(filepath.Join(e.Root, path))
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "== /%s\n%s\n", path, data)
	}
	return b.String()
}

// publicLog is what the journal has of the service: messages and causes from the
// level info on. Other fields of a record stay out, for they may hold words.
func publicLog(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "journalctl", "--unit=sensed.service", "--output=json", fmt.Sprintf("--lines=%d", logLines), "--no-pager", "--quiet")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "the journal cannot be read\n"
	}
	var b strings.Builder
	for line := range bytes.Lines(out[:min(len(out), maxLog)]) {
		b.WriteString(publicRecord(line))
	}
	if b.Len() == 0 {
		return "the journal has nothing\n"
	}
	return b.String()
}

// record is what a line of the journal has that may be shown.
type record struct {
	Time     string `json:"__REALTIME_TIMESTAMP"` // microseconds
	Priority string `json:"PRIORITY"`
	Message  string `json:"MESSAGE"`
	Source   string `json:"SENSED_SOURCE"`
	Err      string `json:"SENSED_ERR"`
}

// publicRecord turns a line of journalctl -o json into one for strangers, "" for
// none.
func publicRecord(line []byte) string {
	var r record
	if json.Unmarshal(line, &r) != nil || r.Priority == "7" || r.Priority == "" {
		return ""
	}
	message, source, cause, ok := plainMessage(r.Message)
	if !ok {
		return ""
	}
	if r.Source != "" {
		source = r.Source
	}
	if r.Err != "" {
		cause = r.Err
	}
	when := r.Time
	var micro int64
	if _, err := fmt.Sscan(r.Time, &micro); err == nil {
		when = time.UnixMicro(micro).UTC().Format(time.RFC3339)
	}
	text := when + " " + r.Priority + " " + message
	if source != "" {
		text += " source=" + source
	}
	if cause != "" {
		text += " err=" + cause
	}
	return strings.ReplaceAll(text, "\n", " ") + "\n"
}

var (
	attributes  = regexp.MustCompile(` [A-Za-z_.]+=`)
	textLevel   = regexp.MustCompile(`(?:^| )level=([A-Z]+)`)
	textMessage = regexp.MustCompile(` msg=("(?:[^"\\]|\\.)*"|\S*)`)
	textErr     = regexp.MustCompile(` err=("(?:[^"\\]|\\.)*"|\S*)`)
	textSource  = regexp.MustCompile(` source=([A-Za-z0-9_.-]+)`)
)

// plainMessage takes a message apart as the three formats of the log write it:
// journal, text and json. What was logged for the developer's eyes is not ok.
func plainMessage(s string) (message, source, cause string, ok bool) {
	first := func(m []string) string {
		if m == nil {
			return ""
		}
		if plain, err := strconv.Unquote(m[1]); err == nil {
			return plain
		}
		return m[1]
	}
	switch {
	case strings.HasPrefix(s, "{"):
		var r struct{ Level, Msg, Source, Err string }
		if json.Unmarshal([]byte(s), &r) != nil || r.Level == "DEBUG" {
			return "", "", "", false
		}
		return r.Msg, r.Source, r.Err, true
	case strings.HasPrefix(s, "time="):
		level := first(textLevel.FindStringSubmatch(s))
		if level == "DEBUG" || level == "" {
			return "", "", "", false
		}
		return first(textMessage.FindStringSubmatch(s)), first(textSource.FindStringSubmatch(s)), first(textErr.FindStringSubmatch(s)), true
	}
	if at := attributes.FindStringIndex(s); at != nil {
		return s[:at[0]], "", "", true
	}
	return s, "", "", true
}

// secrets are what this machine is known to keep, and the last words.
func (e *examination) secrets() (out []string) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "*"))
	if os.Getenv("CREDENTIALS_DIRECTORY") == "" {
		files = nil
	}
	if e.config != nil {
		files = append(files, e.config.Broker.PasswordFile)
		for _, s := range e.config.Sources {
			files = append(files, s.Device.Text("password_file", ""))
		}
		out = append(out, e.config.Broker.Username)
	}
	files = append(files, os.Getenv("HF_TOKEN_PATH"))
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil && len(data) <= maxSecret {
			line, _, _ := strings.Cut(string(data), "\n")
			out = append(out, strings.TrimSpace(line))
		}
	}
	if e.running != nil {
		for _, s := range e.running.Sources {
			out = append(out, s.Last)
		}
	}
	return out
}

// scrubber takes known secrets, and users and passwords of addresses, out of texts.
type scrubber struct{ known *strings.Replacer }

// removed stands where something was.
const removed = "(removed)"

// shortest is the length below which a text is no secret but a part of words.
const shortest = 4

func newScrubber(secrets ...string) scrubber {
	var pairs []string
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // the longest first
	for _, s := range secrets {
		if len(s) < shortest {
			continue
		}
		quoted, err := json.Marshal(s)
		if err == nil { // as it stands in JSON
			pairs = append(pairs, strings.Trim(string(quoted), `"`), removed)
		}
		pairs = append(pairs, s, removed)
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

var userinfo = regexp.MustCompile(`://[^/\s"'@]*@`)

func (s scrubber) clean(text string) string {
	return userinfo.ReplaceAllString(s.known.Replace(text), "://"+removed+"@")
}
