package health

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder is short: the path of a socket has 107 bytes at most.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sensed-health-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func control(t *testing.T, m *Monitor, reload func(context.Context) (any, error)) string {
	t.Helper()
	path := filepath.Join(folder(t), "run", "sensed.sock")
	s, err := ServeControl(path, m, reload)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestControlSocket(t *testing.T) {
	b := newBench(t)
	var refused error
	path := control(t, b.m, func(context.Context) (any, error) { return map[string]string{"said": "done"}, refused })
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	c := NewClient(path)
	defer c.Close()
	s, raw, err := c.Status(t.Context())
	if err != nil || s.Node != "porch" || s.Program != "v1.2.3" || !json.Valid(raw) {
		t.Errorf("%+v, %v", s, err)
	}
	var result map[string]string
	if err := c.Reload(t.Context(), &result); err != nil || result["said"] != "done" {
		t.Errorf("%v, %v", result, err)
	}
	refused = errors.New("sensed.yaml:3:7: no")
	if err := c.Reload(t.Context(), &result); err == nil || err.Error() != refused.Error() {
		t.Errorf("%v", err)
	}
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/history", `"step_s":10`}, {"GET", "/metrics", "sensed_uptime_seconds"},
		{"GET", "/reload", "405"}, {"POST", "/status", "405"}, {"GET", "/secrets", "404"},
	} {
		body, err := c.ask(t.Context(), tt.method, tt.path)
		if err != nil {
			body = []byte(err.Error())
		}
		if !strings.Contains(string(body), tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.method, tt.path, body, tt.want)
		}
	}
}

func TestControlSocketOfAnother(t *testing.T) {
	b := newBench(t)
	path := control(t, b.m, nil)
	if _, err := ServeControl(path, b.m, nil); err == nil || !strings.Contains(err.Error(), "another sensed") {
		t.Errorf("a socket in use: %v", err)
	}
	dir := folder(t)
	left := filepath.Join(dir, "left.sock") // by a process that was killed
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := ServeControl(left, b.m, nil)
	if err != nil {
		t.Fatalf("a socket of an earlier run: %v", err)
	}
	s.Close()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ServeControl(file, b.m, nil); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "mine" {
		t.Errorf("the file became %q, %v", data, err)
	}
	if _, err := ServeControl(filepath.Join(file, "s.sock"), b.m, nil); err == nil {
		t.Error("a folder that cannot be")
	}
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	gone := NewClient(filepath.Join(folder(t), "none.sock"))
	if _, _, err := gone.Status(t.Context()); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("no socket: %v", err)
	}
	path := filepath.Join(folder(t), "odd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	odd := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
	go odd.Serve(l)
	defer odd.Close()
	c := NewClient(path)
	defer c.Close()
	if _, _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is not sensed") {
		t.Errorf("another server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestServeMetrics(t *testing.T) {
	b := newBench(t)
	s, err := ServeMetrics("127.0.0.1:0", b.m)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	get := func(path string) (int, string) {
		a, err := http.Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, _ := io.ReadAll(a.Body)
		return a.StatusCode, string(body)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "process_resident_memory_bytes") {
		t.Errorf("%d: %s", code, body)
	}
	if code, _ := get("/status"); code != 404 { // words stay on the board
		t.Errorf("the state is told to the network: %d", code)
	}
	if _, err := ServeMetrics(s.Addr(), b.m); err == nil {
		t.Error("two servers at one address")
	}
}

// full is a bench whose parts have something of everything.
func full(t *testing.T) *bench {
	b := newBench(t)
	b.root.put("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")
	b.change(func(p *Parts) {
		p.Model.Quant = "Q4_0"
		p.Queue = Queue{Waiting: 2, Answered: 30, Failed: 1, Drops: []Drop{{"door", "caption", "it waited too long for the model", 4}, {"hall \"x\"", "s", "b", 1}}}
		p.Events, p.Outbox = Events{40, 1}, Outbox{Durable: true, Messages: 3, Bytes: 900, Dropped: 2}
	})
	b.m.Answered(Answer{Prompt: 100, Tokens: 20, Stages: Stages{Wait: 100, Encode: 500, Prefill: 400, Decode: 2000, Total: 3000}})
	return b
}

// exposed returns the names of the metrics that a monitor shows, and the text.
func exposed(t *testing.T, b *bench) (names map[string]bool, text string) {
	t.Helper()
	c := NewClient(control(t, b.m, nil))
	defer c.Close()
	body, err := c.ask(t.Context(), http.MethodGet, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	names = map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]`).FindAllStringSubmatch(string(body), -1) {
		names[m[1]] = true
	}
	return names, string(body)
}

func TestMetrics(t *testing.T) {
	_, text := exposed(t, full(t))
	for _, want := range []string{
		`sensed_build_info{version="v1.2.3"} 1`,
		`sensed_model_info{kernels="scalar",model="tiny",quant="Q4_0"} 1`,
		`sensed_board_temperature_celsius 50`,
		`sensed_board_alarm{alarm="under_voltage"} 0`,
		`sensed_questions_dropped_total{reason="it waited too long for the model",source="door",task="caption"} 4`,
		`sensed_questions_dropped_total{reason="b",source="hall \"x\"",task="s"} 1`,
		`sensed_answer_stage_seconds_bucket{stage="decode",le="1"} 0`,
		`sensed_answer_stage_seconds_bucket{stage="decode",le="3"} 1`,
		`sensed_tokens_total{kind="answer"} 20`,
		`sensed_mqtt_connected 1`,
		`sensed_outbox_dropped_total 2`,
		`sensed_source_up{source="door"} 1`,
		"# TYPE sensed_questions_answered_total counter", "# TYPE sensed_load_level gauge", "# TYPE sensed_answer_stage_seconds histogram",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
}

// TestNames pins the names that dashboards rely on.
func TestNames(t *testing.T) {
	names, _ := exposed(t, full(t))
	var ours []string
	for n := range names {
		if strings.HasPrefix(n, "sensed_") {
			ours = append(ours, n)
		}
	}
	slices.Sort(ours)
	want := []string{
		"sensed_answer_stage_seconds_bucket",
		"sensed_answer_stage_seconds_count",
		"sensed_answer_stage_seconds_sum",
		"sensed_board_alarm",
		"sensed_board_memory_available_bytes",
		"sensed_board_memory_bytes",
		"sensed_board_temperature_celsius",
		"sensed_build_info",
		"sensed_events_lost_total",
		"sensed_events_published_total",
		"sensed_load_level",
		"sensed_memory_anonymous_bytes",
		"sensed_memory_file_bytes",
		"sensed_memory_limit_bytes",
		"sensed_model_busy",
		"sensed_model_info",
		"sensed_mqtt_connected",
		"sensed_mqtt_messages_delivered_total",
		"sensed_outbox_bytes",
		"sensed_outbox_dropped_total",
		"sensed_outbox_messages",
		"sensed_outbox_problem",
		"sensed_problems",
		"sensed_questions_answered_total",
		"sensed_questions_dropped_total",
		"sensed_questions_failed_total",
		"sensed_questions_waiting",
		"sensed_source_answers_total",
		"sensed_source_frames_total",
		"sensed_source_questions_total",
		"sensed_source_up",
		"sensed_tokens_per_second",
		"sensed_tokens_total",
		"sensed_uptime_seconds",
	}
	if d := cmp.Diff(want, ours); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
}
