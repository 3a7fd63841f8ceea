package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	orders "sensed/daemon/command"
	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// node is a daemon under test, with a camera and a microphone.
type node struct {
	*process
	t      *testing.T
	config string // file
	text   string // its content
	heard  *mqtttest.Listener
	*mqtttest.Speaker
	asked int
}

// watched is what a test node sees and hears; %s are broker and WAV folder.
const watched = `
node: porch
broker: %s
unchanged: send
sources:
  - name: door
    source: scene:?seed=3&fps=4&size=320x240
    image: true
    tasks:
      - {kind: caption, every: 1s}
      - {kind: detect, every: 1s}
  - name: hall
    source: wav:%s?loop&gap=500ms
    tasks: [{kind: transcribe}]
`

// startNode starts a daemon with a folder for its state.
func startNode(t *testing.T, url, broker string) *node {
	t.Helper()
	n := &node{t: t, text: fmt.Sprintf(watched, broker, samplesFolder(t, ".wav"))}
	n.config = file(t, "sensed.yaml", n.text)
	n.again(filepath.Dir(n.config))
	if strings.Contains(broker, "listen") {
		n.err.await(t, "publishing to the MQTT broker")
	}
	n.heard, n.Speaker = mqtttest.Listen(t, url, "sensed/porch/#", nil), mqtttest.Speak(t, url)
	n.heard.AwaitMessage("sensed/porch/status", event.Online)
	return n
}

// again starts the program, for the first time or once more.
func (n *node) again(state string) {
	n.process = start(n.t, []string{"STATE_DIRECTORY=" + state}, "run", "--config", n.config)
}

// ask sends a command and returns its reply.
func (n *node) ask(name orders.Name, payload string) orders.Reply {
	n.t.Helper()
	n.asked++
	id := fmt.Sprintf("q%d", n.asked)
	n.Say("sensed/porch/"+string(name), strings.Replace(payload, "{", fmt.Sprintf(`{"id":%q,`, id), 1), false)
	return n.reply(func(r orders.Reply) bool { return r.ID == id })
}

// reply waits for a reply.
func (n *node) reply(is func(orders.Reply) bool) orders.Reply {
	n.t.Helper()
	var found orders.Reply
	n.heard.Await("a reply", func(heard []mqtttest.Message) bool {
		for _, r := range n.replies(heard) {
			if is(r) {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

func (n *node) replies(heard []mqtttest.Message) []orders.Reply {
	n.t.Helper()
	var out []orders.Reply
	for _, m := range heard {
		if m.Topic == "sensed/porch/answer" {
			strictly[orders.Reply](n.t, m.Payload)
			out = append(out, parse[orders.Reply](n.t, m.Payload))
		}
	}
	return out
}

// last is the newest payload on a topic.
func last(heard []mqtttest.Message, topic string) string {
	for _, m := range slices.Backward(heard) {
		if m.Topic == topic {
			return m.Payload
		}
	}
	return "(nothing)"
}

// strictly checks that a payload has nothing that its type, and so its schema,
// does not have.
func strictly[T any](t *testing.T, payload string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(new(T)); err != nil {
		t.Errorf("%v in %s", err, payload)
	}
}

// becomes waits until a topic says something last.
func (n *node) becomes(topic, payload string) {
	n.t.Helper()
	n.heard.Await(topic+" "+payload, func(heard []mqtttest.Message) bool { return last(heard, topic) == payload })
}

// state waits until a source is in a state.
func (n *node) state(source, state string) {
	n.t.Helper()
	topic := "sensed/porch/" + source + "/status"
	n.heard.Await(source+" is "+state, func(heard []mqtttest.Message) bool {
		p := last(heard, topic)
		return p != "(nothing)" && parse[event.Event](n.t, p).State == state
	})
}

func TestCommandsOverMQTT(t *testing.T) {
	t.Parallel()
	broker := mqtttest.Start(t, mqtttest.Options{})
	mqtttest.Speak(t, broker.URL()).Say("sensed/porch/restart", `{"id":"old"}`, true)
	n := startNode(t, broker.URL(), fmt.Sprintf("{url: %q}", broker.URL()))
	n.err.await(t, "a retained command is ignored")

	n.state("door", event.OK)
	n.state("hall", event.OK)
	done := func(name orders.Name, payload string) orders.Reply {
		t.Helper()
		r := n.ask(name, payload)
		if r.Version != event.Version || r.Command != name || r.Node != "porch" || r.Status != event.Done || r.Error != "" || r.Time.IsZero() || r.Seq == 0 || r.Published.IsZero() {
			t.Fatalf("%s %s: %+v", name, payload, r)
		}
		return r
	}
	if r := done(orders.Ask, `{"question":"Is there a ball?","source":"door","choices":["yes","no"]}`); (r.Text != "yes" && r.Text != "no") || r.Source != "door" ||
		r.Model == nil || len(r.Model.SHA256) != 64 || r.Model.Quant == "" || len(r.PromptID) != 8 || r.Latency == nil || r.Score == nil {
		t.Errorf("ask: %+v", r)
	}
	if r := done(orders.Ask, `{"question":"Is there a ball?","source":"door","schema":{"type":"object","properties":{"ball":{"type":"boolean"}},"required":["ball"]}}`); !strings.HasPrefix(string(r.Data), `{"ball":`) {
		t.Errorf("ask with a schema: %+v", r)
	}
	described := done(orders.Describe, `{"source":"door"}`)
	if e := n.event("door", event.Caption, described.ID); e.Text != described.Text || e.Text == "" {
		t.Errorf("describe: %+v and %+v", described, e)
	}
	detected := done(orders.Detect, `{"labels":["tree","person"]}`)
	if e := n.event("door", event.Objects, detected.ID); detected.Objects == nil || len(e.Objects) != len(detected.Objects) || *detected.Frame != [2]int{320, 240} {
		t.Errorf("detect: %+v and %+v", detected, e)
	}
	if r := n.ask(orders.Transcribe, `{"seconds":2}`); r.Status != event.Done && r.Error != event.NoWords || r.Source != "hall" {
		t.Errorf("transcribe: %+v", r)
	}
	if r := done(orders.Snapshot, `{"source":"door"}`); *r.Frame != [2]int{320, 240} {
		t.Errorf("snapshot: %+v", r)
	}
	picture := n.heard.AwaitMessage("sensed/porch/door/image", "").Payload
	if img, err := jpeg.Decode(bytes.NewReader([]byte(picture))); err != nil || img.Bounds().Dx() != 320 || len(picture) > 200<<10 {
		t.Errorf("%d bytes on image: %v", len(picture), err)
	}

	for name, tt := range map[orders.Name][2]string{
		orders.Ask:        {`{"source":"door"}`, "question is missing"},
		orders.Describe:   {`{"source":"+"}`, "which no name has"},
		orders.Detect:     {`{"source":"hall"}`, "it is a microphone"},
		orders.Transcribe: {`{"seconds":99}`, "write 1 to 30"},
		orders.Snapshot:   {`{"source":"attic"}`, "there is no source"},
		orders.Reload:     {`{"colour":"red"}`, "unknown field"},
	} {
		if r := n.ask(name, tt[0]); r.Status != event.Faulty || !strings.Contains(r.Error, tt[1]) {
			t.Errorf("%s %s: %+v", name, tt[0], r)
		}
	}
	n.Say("sensed/porch/ask", `{"id":"broken`, false)
	n.reply(func(r orders.Reply) bool {
		return r.Status == event.Faulty && strings.Contains(r.Error, "cannot be read")
	})

	// An id is answered once; what is asked after it is answered after it.
	n.Say("sensed/porch/describe", `{"id":"q1","source":"door"}`, false)
	done(orders.Describe, `{"source":"door"}`)
	count := 0
	for _, r := range n.replies(n.heard.Heard()) {
		if r.ID == "q1" {
			count++
		}
	}
	if count != 1 {
		t.Errorf("q1 was answered %d times", count)
	}
	n.eventCopies()
}

// event waits for an event.
func (n *node) event(source string, kind event.Kind, id string) event.Event {
	n.t.Helper()
	var found event.Event
	n.heard.Await(string(kind)+" "+id, func(heard []mqtttest.Message) bool {
		for _, e := range events(n.t, heard, source, kind) {
			if e.ID == id {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// eventCopies checks that the topic for automations has what the others have.
func (n *node) eventCopies() {
	n.t.Helper()
	for _, m := range n.heard.Heard() {
		if parts := strings.Split(m.Topic, "/"); len(parts) == 4 && parts[2] != "privacy" && parts[3] != event.TopicImage {
			strictly[event.Event](n.t, m.Payload)
		}
	}
	for _, e := range events(n.t, n.heard.Heard(), "door", event.TopicEvents) {
		original := e
		original.EventType = ""
		if err := e.Validate(); err != nil || e.EventType != e.Kind || !slices.ContainsFunc(events(n.t, n.heard.Heard(), "door", e.Kind), func(o event.Event) bool {
			return o.ID == e.ID && o.Text == e.Text && o.Status == e.Status && o.Seq < e.Seq
		}) {
			n.t.Errorf("%+v: %v", e, err)
		}
	}
	if len(events(n.t, n.heard.Heard(), "door", event.TopicEvents)) == 0 {
		n.t.Error("nothing came on the topic for automations")
	}
}

func TestReloadAndRestartOverMQTT(t *testing.T) {
	t.Parallel()
	broker := mqtttest.Start(t, mqtttest.Options{})
	n := startNode(t, broker.URL(), fmt.Sprintf("{url: %q}", broker.URL()))
	n.state("door", event.OK)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(n.text + "colour: red\n")
	if r := n.ask(orders.Reload, `{"source":""}`); r.Status != event.Faulty || !strings.Contains(r.Error, "colour") {
		t.Errorf("a wrong configuration: %+v", r)
	}
	write(strings.Replace(n.text, "name: door", "name: gate", 1))
	if r := n.ask(orders.Reload, `{"source":""}`); r.Status != event.Done || !strings.Contains(r.Text, "sources applied") {
		t.Errorf("another configuration: %+v", r)
	}
	n.state("gate", event.OK)
	n.becomes("sensed/porch/gate/camera/state", orders.On)
	n.becomes("sensed/porch/door/camera/state", "") // taken back

	pid := n.cmd.Process.Pid
	if r := n.ask(orders.Restart, `{"source":""}`); r.Status != event.Done {
		t.Errorf("restart: %+v", r)
	}
	n.heard.Await("offline, then online again", func(heard []mqtttest.Message) bool {
		off := slices.IndexFunc(heard, func(m mqtttest.Message) bool {
			return m.Topic == "sensed/porch/status" && m.Payload == event.Offline
		})
		return off >= 0 && last(heard[off:], "sensed/porch/status") == event.Online
	})
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the process is another one: %v", err)
	}
	if r := n.ask(orders.Describe, `{"source":"gate"}`); r.Status != event.Done && !strings.Contains(r.Error, "not open yet") {
		t.Errorf("after the restart: %+v", r)
	}
	if code, _ := n.signal(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, n.err)
	}
}

// TestSwitchesOverMQTT sets switches at real brokers, looks at what they do, and
// whether they stand the same after the program was killed and started again.
func TestSwitchesOverMQTT(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) (url, broker string){
		"mosquitto": func(t *testing.T) (string, string) {
			b := mqtttest.Start(t, mqtttest.Options{})
			return b.URL(), fmt.Sprintf("{url: %q}", b.URL())
		},
		"embedded": func(t *testing.T) (string, string) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			return "tcp://" + l.Addr().String(), fmt.Sprintf("{listen: %q}", l.Addr())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, broker := prepare(t)
			n := startNode(t, url, broker)
			n.state("door", event.OK)
			for topic, want := range map[string]string{
				"privacy": "OFF", "door/camera": "ON", "door/captioning": "ON", "door/detection": "ON", "door/prompt": "", "door/labels": "",
				"door/interval": "0", "door/sensitivity": "0.5", "hall/microphone": "ON", "hall/transcription": "ON", "hall/language": "",
			} {
				if want != "" { // brokers do not keep what is empty
					n.becomes("sensed/porch/"+topic+"/state", want)
				}
			}
			n.heard.AwaitMessage("sensed/porch/door/image", "")

			// A value that cannot be is refused, and how it stands is said again.
			n.Say("sensed/porch/door/sensitivity/set", "7", false)
			n.reply(func(r orders.Reply) bool {
				return r.Command == orders.Set && strings.Contains(r.Error, "no number from 0 to 1")
			})
			n.Say("sensed/porch/door/colour/set", "red", false)
			n.reply(func(r orders.Reply) bool { return strings.Contains(r.Error, "there is no switch") })

			// Questions go by the switches.
			n.Say("sensed/porch/door/detection/set", "off", false)
			n.Say("sensed/porch/door/prompt/set", "What is in this picture?", false)
			n.Say("sensed/porch/door/interval/set", "1", false)
			n.Say("sensed/porch/door/sensitivity/set", "0.75", false)
			n.becomes("sensed/porch/door/sensitivity/state", "0.75")
			before := n.event("door", event.Caption, events(t, n.heard.Heard(), "door", event.Caption)[0].ID)
			n.heard.Await("a caption asked with another prompt", func(heard []mqtttest.Message) bool {
				return slices.ContainsFunc(events(t, heard, "door", event.Caption), func(e event.Event) bool {
					return e.Status == event.Done && e.PromptID != before.PromptID && e.PromptID != ""
				})
			})

			// A camera that is off is closed, and its picture taken back.
			n.Say("sensed/porch/door/camera/set", "OFF", false)
			n.becomes("sensed/porch/door/camera/state", "OFF")
			n.state("door", event.Off)
			n.becomes("sensed/porch/door/image", "")
			if r := n.ask(orders.Describe, `{"source":"door"}`); r.Status != event.Skipped || r.Error != "source door is off" {
				t.Errorf("describe with the camera off: %+v", r)
			}
			n.Say("sensed/porch/privacy/set", "ON", false)
			n.state("hall", event.Private)
			n.state("door", event.Private)

			// A power cut takes nothing of that away. The file is written at once, or a
			// few seconds after the last one.
			file := filepath.Join(filepath.Dir(n.config), "switches.json")
			awaitFile(t, file, `"privacy": "ON"`)
			n.cmd.Process.Kill()
			n.wait()
			cut := time.Now()
			n.again(filepath.Dir(n.config))
			n.err.await(t, "publishing to the MQTT broker")
			n.heard = mqtttest.Listen(t, url, "sensed/porch/#", nil)
			n.heard.Await("the states after the restart", func(heard []mqtttest.Message) bool {
				return last(heard, "sensed/porch/door/camera/state") == "OFF" && last(heard, "sensed/porch/privacy/state") == "ON" &&
					last(heard, "sensed/porch/door/sensitivity/state") == "0.75" && last(heard, "sensed/porch/door/detection/state") == "OFF"
			})
			n.state("hall", event.Private)
			for _, e := range append(events(t, n.heard.Heard(), "door", event.Status), events(t, n.heard.Heard(), "hall", event.Status)...) {
				if e.State == event.OK && e.Time.After(cut) { // what it said before may come once more
					t.Errorf("it was opened although that is private: %+v", e)
				}
			}
			n.Say("sensed/porch/privacy/set", "OFF", false)
			n.state("hall", event.OK)
			n.state("door", event.Off)
			for _, e := range events(t, n.heard.Heard(), "door", event.Objects) {
				t.Errorf("detection is off, but there is %+v", e)
			}
			if code, _ := n.signal(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d\n%s", code, n.err)
			}
		})
	}
}

// awaitFile waits until a file holds some words.
func awaitFile(t *testing.T, path, words string) {
	t.Helper()
	limit := time.Now().Add(patience)
	for {
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), words) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %q, %v; want %s", path, data, err, words)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
