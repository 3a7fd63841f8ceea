package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"sensed/kernels/gemma4"
)

// sketchOptions measures the small shape on one thread.
func sketchOptions(t *testing.T, projector bool) Options {
	t.Helper()
	files := makeSketch(t, "q4_0")
	if !projector {
		files.Projector = ""
	}
	return Options{Files: files, Threads: 1, Runs: 1, Open: func() (*gemma4.Model, error) {
		return gemma4.Open(files.Text, files.Projector, gemma4.Options{Threads: 1})
	}}
}

func TestRunMeasuresEverything(t *testing.T) {
	o := sketchOptions(t, true)
	o.Runs = 2
	var told []string
	o.OnResult = func(r Result) { told = append(told, r.Name) }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"prefill-64", "prefill-256", "prefill-512", "decode-64", "vision-70", "vision-280", "audio-5", "audio-30",
		"frame-changed", "frame-unchanged", "speech-end", "frame-first", "load"}
	if !slices.Equal(told, want) {
		t.Errorf("measured %q, want %q", told, want)
	}
	for _, x := range r.Results {
		if x.Skipped != "" || x.Seconds == nil || len(x.Seconds.Runs) != 2 || !(x.Seconds.Min > 0) || x.Seconds.Min > x.Seconds.Median || x.Seconds.Median > x.Seconds.Max {
			t.Errorf("%s: %+v %+v", x.Name, x, x.Seconds)
		}
		if answers := strings.HasPrefix(x.Name, "frame") || strings.HasPrefix(x.Name, "speech"); answers != (x.Tokens > 0) {
			t.Errorf("%s: answers of %d tokens", x.Name, x.Tokens)
		}
		if x.Memory == nil || x.Memory.Anonymous < 1<<20 || x.Memory.File < 1<<20 {
			t.Errorf("%s: memory %+v", x.Name, x.Memory)
		}
	}
	if m := r.Memory; m.Peak.Anonymous < m.After.Anonymous || m.Peak.File < m.After.File || m.Resident < m.After.Anonymous {
		t.Errorf("memory %+v: peaks are below what is used", m)
	}
	if r.Machine.Kernels == "" || r.Machine.Processor == "" || r.Model.Name != "sketch-random-q4_0" {
		t.Errorf("machine %+v, model %+v", r.Machine, r.Model)
	}
	checkJSON(t, r)
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(want, "kernels", "memory", "tokens/s", "s of sound/s") {
		if !strings.Contains(table.String(), name) {
			t.Errorf("the table lacks %q:\n%s", name, &table)
		}
	}
}

// checkJSON holds the names of the fields, which scripts read.
func checkJSON(t *testing.T, r Report) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(b.Bytes(), &top); err != nil {
		t.Fatal(err)
	}
	for key, inside := range map[string][]string{
		"machine": {"processor", "processors", "system", "kernels"},
		"model":   {"name", "text", "projector", "threads"},
		"memory":  {"loaded", "after", "peak", "peak_resident_bytes"},
	} {
		var fields map[string]any
		if err := json.Unmarshal(top[key], &fields); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for _, f := range inside {
			if _, ok := fields[f]; !ok {
				t.Errorf("%s lacks the field %s", key, f)
			}
		}
	}
	var results []map[string]any
	if err := json.Unmarshal(top["results"], &results); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"name", "what", "seconds", "rate", "unit", "memory"} {
		if _, ok := results[0][f]; !ok {
			t.Errorf("a result lacks the field %s", f)
		}
	}
	for _, f := range []string{"median", "min", "max", "runs"} {
		if _, ok := results[0]["seconds"].(map[string]any)[f]; !ok {
			t.Errorf("seconds lack the field %s", f)
		}
	}
}

func TestRunSkipsWhatTheModelCannotDo(t *testing.T) {
	o := sketchOptions(t, false)
	o.Only = []string{"decode", "vision-70", "frame-first", "audio"}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Results {
		if (x.Skipped == "") != (x.Name == "decode-64") {
			t.Errorf("%s: skipped because %q", x.Name, x.Skipped)
		}
	}
	if len(r.Results) != 5 {
		t.Errorf("%d results, want 5", len(r.Results))
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "no eyes") {
		t.Errorf("the table does not say why a figure is missing (%v):\n%s", err, &table)
	}
}

func TestRunRefuses(t *testing.T) {
	o := sketchOptions(t, false)
	o.Only = []string{"prefil"}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"prefil"`) || !strings.Contains(err.Error(), "prefill, decode") {
		t.Errorf("unknown name: %v", err)
	}
	broken := errors.New("broken")
	if _, err := Run(t.Context(), Options{Runs: 1, Open: func() (*gemma4.Model, error) { return nil, broken }}); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of opening", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Only = nil
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestServeTakesTurns(t *testing.T) {
	folder := t.TempDir()
	in := "prefill-64\n\nframe-unchanged\nspeech-end\nmemory\nvision\nnothing\ninputs\ninputs " + folder + "\n"
	var out bytes.Buffer
	if err := Serve(t.Context(), sketchOptions(t, true), strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	var replies []Reply
	for d := json.NewDecoder(&out); ; {
		var r Reply
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, r)
	}
	if len(replies) != 8 {
		t.Fatalf("%d replies: %+v", len(replies), replies)
	}
	for i, answers := range []bool{false, true, true} {
		if r := replies[i]; r.Error != "" || !(r.Seconds > 0) || answers != (r.Tokens > 0) {
			t.Errorf("reply %d: %+v", i, r)
		}
	}
	if m := replies[3].Memory; m == nil || m.Anonymous == 0 {
		t.Errorf("memory: %+v", replies[3])
	}
	for i, want := range map[int]string{4: "a group", 5: "nothing is called", 6: "a folder must follow"} {
		if !strings.Contains(replies[i].Error, want) {
			t.Errorf("reply %d: %q, want %q", i, replies[i].Error, want)
		}
	}
	checkInputs(t, folder, replies[7].Inputs)
}

func checkInputs(t *testing.T, folder string, in *Inputs) {
	t.Helper()
	if in == nil || len(in.Pictures) != inputCount || in.DetectTokens < 30 || !strings.Contains(in.Detect, "person, car and dog") {
		t.Fatalf("inputs: %+v", in)
	}
	contents := map[string]bool{}
	for _, name := range in.Pictures {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || len(b) != in.Width*in.Height*3 || contents[string(b)] {
			t.Errorf("%s: %d bytes, %v, or the same as another", name, len(b), err)
		}
		contents[string(b)] = true
	}
	for _, s := range in.Sounds {
		b, err := os.ReadFile(filepath.Join(folder, s.File))
		if err != nil || len(b) != s.Seconds*sampleRate*4 {
			t.Errorf("%s: %d bytes, %v", s.File, len(b), err)
		}
	}
}

func TestParseStatus(t *testing.T) {
	const whole = "Name:\tsensed\nVmHWM:\t    5000 kB\nVmRSS:\t    4000 kB\nRssAnon:\t    1000 kB\nRssFile:\t    3000 kB\n"
	now, peak, err := parseStatus([]byte(whole))
	if err != nil || now != (Memory{1000 << 10, 3000 << 10}) || peak != 5000<<10 {
		t.Errorf("%+v, %d, %v", now, peak, err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"RssAnon:\t    1000 kB\n", "", "RssAnon is missing"},
		{"1000 kB", "1000 MB", "not a size"},
		{"3000 kB", "-3 kB", "not a size"},
		{"5000", "many", "not a size"},
	} {
		if _, _, err := parseStatus([]byte(strings.Replace(whole, c.from, c.to, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.to, err, c.want)
		}
	}
	if now, peak, err := memoryNow(); err != nil || now.Anonymous <= 0 || peak < now.Anonymous {
		t.Errorf("of this process: %+v, %d, %v", now, peak, err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte("VmHWM:\t1 kB\nRssAnon:\t2 kB\nRssFile: 3 kB\n"))
	f.Add([]byte("RssAnon:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if now, peak, err := parseStatus(b); err == nil && (now.Anonymous < 0 || now.File < 0 || peak < 0) {
			t.Errorf("%+v %d", now, peak)
		}
	})
}

// TestWatcherSeesPeaks allocates, frees, and asks for the most.
func TestWatcherSeesPeaks(t *testing.T) {
	debug.FreeOSMemory() // so that the slice below needs fresh pages
	w := watchMemory()
	defer w.close()
	before, err := w.peak()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	w.sample()
	after, err := w.peak()
	if err != nil || after.Anonymous < before.Anonymous+60<<20 {
		t.Errorf("from %+v to %+v (%v), want 64 MB more", before, after, err)
	}
	runtime.KeepAlive(b)
	w.reset()
	if now, err := w.peak(); err != nil || now.Anonymous == 0 {
		t.Errorf("after a reset %+v, %v; want what is used now", now, err)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		runs []float64
		want Spread
	}{
		{[]float64{3}, Spread{Median: 3, Min: 3, Max: 3}},
		{[]float64{3, 1}, Spread{Median: 2, Min: 1, Max: 3}},
		{[]float64{3, 1, 9}, Spread{Median: 3, Min: 1, Max: 9}},
	} {
		got := spreadOf(c.runs)
		if got.Median != c.want.Median || got.Min != c.want.Min || got.Max != c.want.Max || !slices.Equal(got.Runs, c.runs) {
			t.Errorf("%v: %+v", c.runs, got)
		}
	}
}

func TestMachineFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: AMD EPYC\n":                     "AMD EPYC",
		"processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n": "Cortex-A76",
		"CPU part\t: 0xd49\n":                                          "ARM part 0xd49",
		"":                                                             "unknown",
	} {
		if got := processor(write("cpuinfo", text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := processor(filepath.Join(folder, "nothing")); got != "unknown" {
		t.Errorf("without a file: %q", got)
	}
	if got := firstLine(write("model", "Raspberry Pi 5 Model B Rev 1.0\x00")); got != "Raspberry Pi 5 Model B Rev 1.0" {
		t.Errorf("board %q", got)
	}
	if _, ok := temperature(folder); ok {
		t.Error("a temperature without a sensor")
	}
	write("thermal_zone0/temp", "41500\n")
	write("thermal_zone1/temp", "62250\n")
	write("thermal_zone2/temp", "off\n")
	if c, ok := temperature(folder); !ok || math.Abs(c-62.25) > 1e-9 {
		t.Errorf("temperature %v, %v; want 62.25", c, ok)
	}
}

// TestBoxGrammarAllowsTheExample lets the sketch write boxes: what it writes is
// what the other side of a comparison writes, but for numbers and labels.
func TestBoxGrammarAllowsTheExample(t *testing.T) {
	o := sketchOptions(t, false)
	m, err := o.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := boxGrammar()
	if err != nil {
		t.Fatal(err)
	}
	reply, err := m.Generate(t.Context(), gemma4.Request{Parts: []gemma4.Part{{Text: "boxes"}}, Grammar: g})
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`\d+|person|car|dog`)
	if got, want := form.ReplaceAllString(reply.Text, "*"), form.ReplaceAllString(boxes(), "*"); got != want {
		t.Errorf("the answer is %s, want one like %s", reply.Text, boxes())
	}
	var list []struct {
		Box   []int  `json:"box_2d"`
		Label string `json:"label"`
	}
	if err := json.Unmarshal([]byte(reply.Text), &list); err != nil || len(list) != len(wanted) {
		t.Errorf("%d objects, %v; want %d", len(list), err, len(wanted))
	}
}
