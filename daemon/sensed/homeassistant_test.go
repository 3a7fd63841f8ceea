package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

const described = "homeassistant/device/sensed-porch/config"

// told returns how many entities a payload of discovery has and removes.
func told(t *testing.T, payload string) (entities, removed int) {
	t.Helper()
	for _, c := range parse[struct {
		Components map[string]map[string]json.RawMessage
	}](t, payload).Components {
		if len(c) == 1 {
			removed++
		} else {
			entities++
		}
	}
	return entities, removed
}

// TestHomeAssistantIsTold looks at what a broker keeps for Home Assistant, when it
// is said again, and that it is taken back when the configuration changes between
// two lives of the process, also when the first of them was killed.
func TestHomeAssistantIsTold(t *testing.T) {
	t.Parallel()
	broker := mqtttest.Start(t, mqtttest.Options{})
	n := startNode(t, broker.URL(), fmt.Sprintf("{url: %q}", broker.URL()))
	all := mqtttest.Listen(t, broker.URL(), "#", nil)
	state := filepath.Dir(n.config)
	await := func(what string, ok func(payload string) bool) string {
		t.Helper()
		var payload string
		all.Await(what, func(heard []mqtttest.Message) bool {
			payload = last(heard, described)
			return payload != "(nothing)" && ok(payload)
		})
		return payload
	}
	count := func() (times int) {
		for _, m := range all.Heard() {
			if m.Topic == described {
				times++
			}
		}
		return times
	}
	entities, removed := told(t, await("the description", func(p string) bool { return p != "" }))
	if entities < 40 || removed != 0 {
		t.Errorf("%d entities, %d removed", entities, removed)
	}
	n.state("door", event.OK)

	// It is said again when Home Assistant has started.
	before := count()
	n.Say("homeassistant/status", "offline", false)
	n.Say("homeassistant/status", "online", false)
	all.Await("the description again", func([]mqtttest.Message) bool { return count() > before })

	// Words are there for who comes late.
	all.Await("last words", func(heard []mqtttest.Message) bool {
		return strings.Contains(last(heard, "sensed/porch/door/last/caption"), `"text"`) && strings.Contains(last(heard, "sensed/porch/hall/last/transcribe"), `"text"`)
	})
	late := mqtttest.Listen(t, broker.URL(), "sensed/porch/+/last/+", nil)
	late.Await("last words, late", func(heard []mqtttest.Message) bool {
		return strings.Contains(last(heard, "sensed/porch/door/last/caption"), `"text"`)
	})
	if r := n.ask("ask", `{"source":"door","question":"What is that?"}`); r.Status != event.Done {
		t.Errorf("%+v", r)
	}
	all.Await("the answer", func(heard []mqtttest.Message) bool {
		return strings.Contains(last(heard, "sensed/porch/door/last/ask"), `"command":"ask"`)
	})

	// A source and a task less, after a kill.
	awaitFile(t, filepath.Join(state, "retained.json"), "sensed/porch/hall/last/transcribe")
	n.signal(syscall.SIGKILL)
	hall := strings.Index(n.text, "  - name: hall")
	less := strings.Replace(n.text[:hall], "      - {kind: detect, every: 1s}\n", "", 1)
	write(t, n.config, less)
	n.again(state)
	fewer, gone := told(t, await("a shorter description", func(p string) bool { _, r := told(t, p); return r > 0 }))
	if gone < 10 || fewer+gone != entities {
		t.Errorf("%d entities, %d removed, before %d", fewer, gone, entities)
	}
	for _, topic := range []string{"hall/status", "hall/last/transcribe", "hall/sound/state", "hall/microphone/state", "door/last/detect", "door/detection/state"} {
		all.AwaitMessage("sensed/porch/"+topic, "")
	}
	if code, _ := n.signal(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, n.err)
	}
	// What the broker has forgotten, sensed forgets.
	data, err := os.ReadFile(filepath.Join(state, "retained.json"))
	if err != nil || strings.Contains(string(data), "sensed/porch/hall") {
		t.Errorf("%s, %v", data, err)
	}

	// Another name, and after that no discovery.
	write(t, n.config, strings.Replace(less, "node: porch", "node: veranda", 1))
	n.again(state)
	await("that porch is gone", func(p string) bool { return p == "" })
	for _, topic := range []string{"status", "health", "door/status", "door/camera/state"} {
		all.Await(topic+" taken back", func(heard []mqtttest.Message) bool { return last(heard, "sensed/porch/"+topic) == "" })
	}
	all.AwaitMessage("sensed/veranda/status", event.Online)
	n.signal(syscall.SIGKILL)
	write(t, n.config, "homeassistant: false\n"+strings.Replace(less, "node: porch", "node: veranda", 1))
	n.again(state)
	all.Await("that veranda is gone", func(heard []mqtttest.Message) bool {
		return last(heard, "homeassistant/device/sensed-veranda/config") == ""
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
