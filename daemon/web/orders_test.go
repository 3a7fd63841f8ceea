package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

func TestCommands(t *testing.T) {
	s := serveSite(t, nil)
	token := s.csrf()
	text := s.want(200, "POST", base+"commands/ask", `{"id":"7","source":"door","question":"What is it?"}`, csrfHeader, token)
	var reply command.Reply
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Text != "It is a dog." {
		t.Errorf("%v: %s", err, text)
	}
	if r := s.asked[0]; r.Command != command.Ask || r.ID != "7" || r.Source != "door" || r.Question != "What is it?" || r.Wrote != nil {
		t.Errorf("asked %+v", r)
	}
	s.want(422, "POST", base+"commands/ask", `{"source":"door"}`, csrfHeader, token)
	s.want(422, "POST", base+"commands/ask", `{"source":"do+or","question":"x"}`, csrfHeader, token)
	s.want(422, "POST", base+"commands/describe", `{"question":"x"}`, csrfHeader, token)
	s.want(400, "POST", base+"commands/ask", `"What is it?"`, csrfHeader, token)
	s.want(404, "POST", base+"commands/set", `{}`, csrfHeader, token)
	s.want(404, "POST", base+"commands/nothing", `{}`, csrfHeader, token)
	s.want(429, "POST", base+"commands/ask", `{"question":"too much"}`, csrfHeader, token)
	if len(s.asked) != 2 {
		t.Errorf("%d were handed on", len(s.asked))
	}
	for outcome, want := range map[event.Outcome]int{event.Done: 200, event.Throttled: 429, event.TimedOut: 504, event.Skipped: 503, event.Faulty: 422} {
		if code(outcome) != want {
			t.Errorf("%s: %d", outcome, code(outcome))
		}
	}
}

func TestAnAnswerIsStreamed(t *testing.T) {
	s := serveSite(t, nil)
	r, err := http.NewRequest("POST", s.address(base+"commands/ask"), strings.NewReader(`{"source":"door","question":"What is it?"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set(csrfHeader, s.csrf())
	a, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var names []string
	last := map[string]string{}
	for lines := bufio.NewScanner(a.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			names = append(names, name)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			last[names[len(names)-1]] = data
		}
	}
	if names[len(names)-1] != "reply" || !strings.Contains(last["reply"], `"text":"It is a dog."`) {
		t.Errorf("%v: %v", names, last)
	}
	if text, ok := last["text"]; ok && !strings.HasPrefix(text, `{"text":"It is `) {
		t.Errorf("pieces: %s", text)
	}
}

func TestSwitches(t *testing.T) {
	s := serveSite(t, nil)
	token := s.csrf()
	text := s.want(200, "PUT", base+"switches", `{"source":"door","name":"captioning","value":"OFF"}`, csrfHeader, token)
	if !strings.Contains(text, `"value":"OFF"`) || get[Switches](s, "switches").Switches[0].Value != "OFF" {
		t.Errorf("it stands as before: %s", text)
	}
	if text := s.want(422, "PUT", base+"switches", `{"source":"door","name":"captioning","value":"maybe"}`, csrfHeader, token); !strings.Contains(text, "neither ON nor OFF") {
		t.Error(text)
	}
}

func TestTheConfigurationNeedsAPasswordToBeSaved(t *testing.T) {
	editor := &fakeEditor{}
	s := serveSite(t, func(o *Options) { o.Editor = editor })
	if c := get[Configuration](s, "config"); c.Writable || c.Why == "" || c.Text == "" {
		t.Errorf("without a password: %+v", c)
	}
	const draft = `{"text":"node: yard\n","revision":"1"}`
	s.want(403, "PUT", base+"config", draft, csrfHeader, s.csrf())
	s.login()
	if c := get[Configuration](s, "config"); !c.Writable {
		t.Errorf("with a password: %+v", c)
	}
	s.want(409, "PUT", base+"config", `{"text":"x","revision":"0"}`, csrfHeader, s.csrf())
	s.want(200, "PUT", base+"config", draft, csrfHeader, s.csrf())
	if len(editor.saved) != 1 || editor.saved[0].Text != "node: yard\n" {
		t.Errorf("saved %v", editor.saved)
	}
	if b := get[BackupText](s, "config/backups/old"); b.Text != "node: old\n" {
		t.Errorf("%+v", b)
	}
	s.want(404, "GET", base+"config/backups/none", "")
	if text := s.want(200, "POST", base+"config/check", `{"text":"node: yard\n"}`, csrfHeader, s.csrf()); !strings.Contains(text, `{"op":"-","old":1,"new":0,"text":"node: porch"}`) {
		t.Error(text)
	}
}

func TestWithoutAFileThereIsNoEditor(t *testing.T) {
	s := serveSite(t, nil)
	s.want(404, "GET", base+"config", "")
	s.want(404, "GET", base+"config/backups/x", "")
	s.want(404, "POST", base+"config/check", `{"text":""}`, csrfHeader, s.csrf())
}

func TestTheRest(t *testing.T) {
	s := serveSite(t, nil)
	if l := get[Lines](s, "log?lines=1").Lines; len(l) != 1 || l[0].Message != "two" {
		t.Errorf("%v", l)
	}
	if m := get[Model](s, "model"); m.Name != "tiny" {
		t.Errorf("%+v", m)
	}
	if h := s.want(200, "GET", base+"health/history", ""); !strings.Contains(h, `"step_s":10`) || !strings.Contains(h, `"step_s":300`) {
		t.Error(h)
	}
	if h := s.want(200, "GET", base+"health", ""); !strings.Contains(h, "porch") {
		t.Error(h)
	}
	if text := s.want(200, "GET", base+"openapi.json", ""); text != string(Description()) {
		t.Error("another description")
	}
}

func TestDiff(t *testing.T) {
	numbers := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintln(&b, i)
		}
		return b.String()
	}
	show := func(edits []Edit) string {
		var out []string
		for _, e := range edits {
			out = append(out, strings.TrimSpace(e.Op+e.Text))
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""},
		{"a\n", "a\n", ""},
		{"", "a\nb\n", "+a +b"},
		{"a\nb", "", "-a -b"},
		{"a\nb\nc\n", "a\nx\nc\n", "a -b +x c"},
		{"a\nb\nc\nd\n", "b\nd\ne\n", "-a b -c d +e"},
		{numbers(20), strings.Replace(strings.Replace(numbers(20), "2\n", "x\n", 1), "18\n", "", 1), "0 1 -2 +x 3 4 5 @ 15 16 17 -18 19"},
	} {
		got := Diff(c.a, c.b)
		if show(got) != c.want {
			t.Errorf("%q to %q: %s, want %s", c.a, c.b, show(got), c.want)
		}
	}
}

func FuzzDiff(f *testing.F) {
	f.Add("a\nb\n", "b\nc\n")
	f.Add("a\na\na\n", "a\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 2000 {
			return
		}
		old, fresh := linesOf(a), linesOf(b)
		for _, e := range Diff(a, b) {
			if e.Old > 0 && old[e.Old-1] != e.Text || e.New > 0 && fresh[e.New-1] != e.Text {
				t.Fatalf("%+v is not what stands there", e)
			}
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	f.Add("source=a&kind=caption&text=x+y&from=2026-11-29T00:00:00Z")
	f.Add("limit=%ff&look=a,b&want=log")
	f.Fuzz(func(t *testing.T, query string) {
		r, err := http.NewRequest("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		q := r.URL.Query()
		if f, err := parseFilter(q); err == nil {
			f.fits(&Card{})
		}
		_, _ = parseStream(q)
	})
}
