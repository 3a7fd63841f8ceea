package config

import (
	"errors"
	"strings"
	"testing"
)

// problems has one mistake each; it also seeds the fuzz test.
var problems = []struct{ name, text, want string }{
	{"syntax", "node: \"x", `f:1:7: the file is not YAML`},
	{"tab", "broker:\n\turl: x", `f:2:1: the file is not YAML`},
	{"not a mapping", "[1, 2]", `f:1:1: here must be a mapping, not a list; write keys`},
	{"a word", "hello", `f:1:1: here must be a mapping, not "hello"`},
	{"binary", "\x7fELF\x02\x01\x01\x00\x00", `f:`},
	{"two documents", "node: a\n---\nnode: b\n", `f:3:1: the file has a second document`},
	{"twice", "node: a\nnode: b\n", `f:2:1: node: the key "node" is here twice`},
	{"unknown, far from all", "sources:\n  - name: a\n    source: 'scene:'\n    zzzzzzzz: 1\n", `f:4:5: sources[0].zzzzzzzz: the key "zzzzzzzz" is not known here; possible are name, source, tasks, image, blackout, gate`},
	{"anchor", "node: &a x\nled: {model: *a}\n", `f:1:7: node: here must be a text, not an anchor`},
	{"tag", "node: !!str x\n", `f:1:7: node: here must be a text, not an anchor, alias or tag`},
	{"list for text", "node: [a]\n", `f:1:7: node: here must be a text, not a list`},
	{"text for list", "sources: none\n", `f:1:10: sources: here must be a list, not "none"`},
	{"text for mapping", "log: debug\n", `f:1:6: log: here must be a mapping, not "debug"`},
	{"yes for true", "sources: [{name: a, source: 'scene:', gate: {always: yes}}]\n", `gate.always: here must be true or false, not "yes"`},
	{"number", "sources: [{name: a, source: 'scene:', gate: {motion: {min_area: big}}}]\n", `min_area: here must be a number, not "big"`},
	{"not a number", "sources: [{name: a, source: 'scene:', gate: {motion: {min_area: .nan}}}]\n", `min_area: here must be a number`},
	{"huge number", "model: {threads: 99999999999999999999}\n", `model.threads: here must be a whole number`},
	{"threads", "model: {threads: -1}\n", `f:1:18: model.threads: -1 is out of bounds; write a number from 0 to 256`},
	{"context", "model: {context: 5}\n", `model.context: 5 is out of bounds`},
	{"model twice", "model: {name: e2b, text: t.gguf}\n", `f:1:26: model.text: the model e2b has files of its own`},
	{"folder alone", "model: {folder: /models}\n", `f:1:17: model.folder: a folder of models without the name of one`},
	{"a newer version", "web: [1]\nversion: 7\nnewkey: 1\n", `f:2:10: version: the file is of version 7, and this sensed knows version 2; install a newer sensed`},
	{"version 0", "version: 0\n", `f:1:10: version: there is no version 0`},
	{"projector alone", "model: {projector: p.gguf}\n", `f:1:20: model.projector: a projector without its text model`},
	{"packed alone", "model: {packed: p}\n", `f:1:17: model.packed: a folder for packed weights without a model`},
	{"drafter alone", "model: {drafter: d.gguf}\n", `f:1:18: model.drafter: a drafter without its text model`},
	{"profile alone", "model: {profile: p.json}\n", `model.profile: a profile without a model`},
	{"node with hash", "node: 'a#'\n", `node: "a#" has a character that MQTT topics`},
	{"node empty", "node: ''\n", `node: it has no name`},
	{"node long", "node: " + strings.Repeat("x", 65) + "\n", `node: the name is longer than 64 bytes`},
	{"node with bell", "node: \"a\\u0007\"\n", `node: "a\a" has a space or a character that does not print`},
	{"node with space", "node: front door\n", `node: "front door" has a space`},
	{"source named as a pin", "sources: [{name: GPIO17, source: 'scene:'}]\ntriggers: [{pin: GPIO17}]\n", `a source is named "GPIO17" too`},
	{"min_area 1", "sources: [{name: a, source: 'scene:', gate: {motion: {min_area: 1}}}]\n", `more than the whole picture cannot move`},
	{"again", "sources: [{name: a, source: 'scene:', gate: {motion: {again: 1ms}}}]\n", `again: 1ms is out of bounds`},
	{"source without name", "sources: [{source: 'scene:'}]\n", `f:1:11: sources[0].name: it has no name`},
	{"source without device", "sources:\n  - name: a\n", `f:2:5: sources[0].source: it does not say which device`},
	{"empty source", "sources: [~]\n", `sources[0]`},
	{"no scheme", "sources: [{name: a, source: /dev/video0}]\n", `sources[0].source: "/dev/video0" does not begin with a kind of device`},
	{"scheme", "sources: [{name: a, source: 'v4l:/dev/video0'}]\n", `"v4l" is no kind of device; did you mean "v4l2"?`},
	{"task of another sense", "sources: [{name: a, source: 'wav:x', tasks: [{kind: caption}]}]\n", `sources[0].tasks[0].kind: a microphone cannot caption; possible are transcribe, translate, prompt`},
	{"task without kind", "sources: [{name: a, source: 'wav:x', tasks: [{name: x}]}]\n", `tasks[0].kind: the task does not say what is asked`},
	{"task twice", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption}, {kind: caption}]}]\n", `tasks[1].name: another task of this source is named "caption" too`},
	{"nine tasks", "sources: [{name: a, source: 'scene:', tasks: [" + strings.Repeat("{kind: caption},", 9) + "]}]\n", `a source can have 8 tasks`},
	{"empty label", "sources: [{name: a, source: 'scene:', tasks: [{kind: detect, labels: ['']}]}]\n", `labels[0]: "" is not a label`},
	{"labels of a caption", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, labels: [x]}]}]\n", `labels: it is of no use for caption; it belongs to detect and point`},
	{"choices of a caption", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, choices: [x]}]}]\n", `choices: it is of no use for caption; it belongs to prompt`},
	{"empty choice", "sources: [{name: a, source: 'scene:', tasks: [{kind: prompt, prompt: x, choices: [a, '']}]}]\n", `choices[1]: the answer to choose is empty`},
	{"schema and choices", "sources: [{name: a, source: 'scene:', tasks: [{kind: prompt, prompt: x, choices: [a], schema: '{}'}]}]\n", `schema: there are choices too`},
	{"point at two", "sources: [{name: a, source: 'scene:', tasks: [{kind: point, labels: [x, y]}]}]\n", `point looks for one thing, not 2`},
	{"prompt without", "sources: [{name: a, source: 'scene:', tasks: [{kind: prompt}]}]\n", `prompt: a task of kind prompt needs one`},
	{"translate into", "sources: [{name: a, source: 'wav:x', tasks: [{kind: translate}]}]\n", `into: it does not say into which language`},
	{"into of a transcript", "sources: [{name: a, source: 'wav:x', tasks: [{kind: transcribe, into: German}]}]\n", `into: it is of no use for transcribe`},
	{"language of a caption", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, language: German}]}]\n", `language: it is of no use for caption`},
	{"every of sound", "sources: [{name: a, source: 'wav:x', tasks: [{kind: transcribe, every: 5s}]}]\n", `every: a microphone is asked about what it hears`},
	{"every too often", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, every: 1ms}]}]\n", `every: 1ms is out of bounds`},
	{"every negative", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, every: -1s}]}]\n", `every: -1s is out of bounds`},
	{"image tokens", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, image_tokens: 100}]}]\n", `a picture cannot have 100 tokens`},
	{"image tokens of sound", "sources: [{name: a, source: 'wav:x', tasks: [{kind: transcribe, image_tokens: 70}]}]\n", `a microphone gives no pictures`},
	{"motion of sound", "sources: [{name: a, source: 'wav:x', gate: {motion: true}}]\n", `a microphone sees no motion`},
	{"speech of pictures", "sources: [{name: a, source: 'scene:', gate: {speech: {}}}]\n", `a camera hears nothing`},
	{"speech max", "sources: [{name: a, source: 'wav:x', gate: {speech: {max: 40s}}}]\n", `max: 40s is out of bounds; write a time from 10s to 30s`},
	{"mask of three", "sources: [{name: a, source: 'scene:', gate: {motion: {masks: [[1, 2, 3]]}}}]\n", `a rectangle has four numbers, this one has 3`},
	{"mask inside out", "sources: [{name: a, source: 'scene:', gate: {motion: {masks: [[9, 0, 3, 9]]}}}]\n", `masks[0]: [9 0 3 9] is no rectangle`},
	{"area is a word", "sources: [{name: a, source: 'scene:', blackout: [door]}]\n", `blackout[0]: here must be a list of corners, not "door"`},
	{"area of nothing", "sources: [{name: a, source: 'scene:', blackout: [[]]}]\n", `blackout[0]: a polygon has at least 3 corners, this one has 0`},
	{"corner of one", "sources: [{name: a, source: 'scene:', blackout: [[[1, 2], [3], [4, 5]]]}]\n", `blackout[0][1]: a corner has two numbers, this one has 1`},
	{"corner outside", "sources: [{name: a, source: 'scene:', gate: {motion: {zones: [[[1, 2], [3, 1001], [4, 5]]]}}}]\n", `zones[0][1]: the corner [3, 1001] lies outside of the picture`},
	{"area on a line", "sources: [{name: a, source: 'scene:', blackout: [[[1, 1], [2, 2], [3, 3]]]}]\n", `enclose nothing`},
	{"blackout of sound", "sources: [{name: a, source: 'wav:x.wav', blackout: [[0, 0, 9, 9]]}]\n", `a microphone has no pictures`},
	{"trigger without pin", "triggers: [{edge: both}]\n", `triggers[0].pin: it names no pin`},
	{"trigger pin", "triggers: [{pin: 'GPIO 17'}]\n", `"GPIO 17" is not the name of a pin`},
	{"trigger pin twice", "triggers: [{pin: 17}, {pin: 17}]\n", `triggers[1].pin: 17 is a trigger already`},
	{"trigger pull", "triggers: [{pin: 17, pull: upp}]\n", `"upp" is not possible here; did you mean "up"?`},
	{"trigger starts", "triggers: [{pin: 17, starts: [x]}]\n", `no source is named "x"; there is none to choose from`},
	{"led on a trigger", "triggers: [{pin: 17}]\nled: {model: 17}\n", `f:2:14: led.model: 17 is a trigger already`},
	{"two lights on a pin", "led: {microphone: 5, camera: 5}\n", `f:1:30: led.camera: 5 is the LED of the microphones already`},
	{"switch on a trigger", "triggers: [{pin: 5}]\nswitches: [{pin: 5, role: privacy}]\n", `f:2:18: switches[0].pin: 5 is a trigger already`},
	{"switch without pin", "sources: [{name: a, source: 'scene:'}]\nswitches: [{role: privacy}]\n", `switches[0].pin: it names no pin`},
	{"switch without role", "switches: [{pin: 5}]\n", `f:1:12: switches[0].role: it does not say what the switch does; possible are talk, mute, privacy`},
	{"switch role", "switches: [{pin: 5, role: tlak}]\n", `f:1:27: switches[0].role: "tlak" is not possible here; did you mean "talk"?`},
	{"switch press", "switches: [{pin: 5, role: mute, press: togle}]\n", `f:1:40: switches[0].press: "togle" is not possible here; did you mean "toggle"?`},
	{"talk toggles", "switches: [{pin: 5, role: talk, press: toggle}]\n", `switches[0].press: it is of no use for talk; it belongs to mute`},
	{"switch active", "switches: [{pin: 5, role: mute, active: lo}]\n", `"lo" is not possible here`},
	{"switch debounce", "switches: [{pin: 5, role: mute, debounce: 2s}]\n", `switches[0].debounce: 2s is out of bounds`},
	{"switch of no source", "sources: [{name: a, source: 'scene:'}]\nswitches: [{pin: 5, role: mute}]\n", `f:2:12: switches[0]: there is no source that it could close and open`},
	{"switch source", "sources: [{name: door, source: 'scene:'}]\nswitches: [{pin: 5, role: privacy, sources: [dor]}]\n", `f:2:46: switches[0].sources[0]: no source is named "dor"; did you mean "door"?`},
	{"talk to a camera", "sources: [{name: a, source: 'scene:'}]\nswitches: [{pin: 5, role: talk, sources: [a]}]\n", `a is a camera, to which nobody talks`},
	{"switch key", "switches: [{pni: 5}]\n", `f:1:13: switches[0].pni: the key "pni" is not known here; did you mean "pin"?`},
	{"source named as a switch", "sources: [{name: GPIO5, source: 'scene:'}]\nswitches: [{pin: GPIO5, role: privacy}]\n", `a source is named "GPIO5" too`},
	{"health too often", "health: {every: 1s}\n", `health.every: 1s is out of bounds; write a time from 10s to 24h0m0s`},
	{"metrics without port", "health: {metrics: localhost}\n", `health.metrics: "localhost" is not an address to listen at; write host and port`},
	{"socket too long", "health: {socket: /" + strings.Repeat("s", 120) + "}\n", `health.socket: the path is longer than the 107 bytes`},
	{"level", "log: {level: trace}\n", `log.level: "trace" is not possible here; possible are debug, info, warn, error`},
	{"broker without scheme", "broker: {url: broker.lan}\n", `broker.url: it is not an address`},
	{"broker host", "broker: {url: 'mqtt://'}\n", `broker.url: it names no host`},
	{"broker port", "broker: {url: 'mqtt://h:99999'}\n", `broker.url: 99999 is not a port`},
	{"broker password in url", "broker: {url: 'mqtt://me:pw@h'}\n", `broker.url: it holds a username or password`},
	{"broker topic in url", "broker: {url: 'mqtt://h/topic'}\n", `broker.url: it has a path (/topic)`},
	{"broker query", "broker: {url: 'ws://h/mqtt?x=1'}\n", `broker.url: it has a part after ?`},
	{"broker socket", "broker: {url: 'unix://'}\n", `broker.url: it names no socket`},
	{"broker plain with certificates", "broker: {url: 'mqtt://h', ca_file: x}\n", `certificates are given, but the connection is not encrypted`},
	{"broker cert alone", "broker: {url: 'mqtts://h', cert_file: x}\n", `broker.cert_file: it is of no use without key_file`},
	{"broker key alone", "broker: {url: 'mqtts://h', key_file: x}\n", `broker.key_file: it is of no use without cert_file`},
	{"password without user", "broker: {url: 'mqtts://h', password_file: x}\n", `a password without a username`},
	{"settings of no broker", "broker: {username: me}\n", `broker.username: it is of no use without broker.url`},
	{"listen", "broker: {listen: 1883}\n", `"1883" is not an address to listen at`},
	{"listen to the world", "broker: {listen: ':1883'}\n", `":1883" is reachable from other machines`},
	{"too large", "# " + strings.Repeat("x", maxFile), `f: the file is larger than 65536 bytes`},
	{"deep", "node: a\nsources: " + strings.Repeat("[{", 51), `f:2:1: more than 100 brackets are open here`},
	{"not so deep", strings.Repeat("[", 90), `the file is not YAML`},
	{"dashes", strings.Repeat("- ", 1000), `f:1:1: here must be a mapping, not a list`},
}

func TestProblems(t *testing.T) {
	for _, tt := range problems {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f", []byte(tt.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant %s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is not an *Error", err)
			}
			for _, p := range e.Problems {
				if p.What == "" || p.Hint == "" {
					t.Errorf("%+v says too little", p)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range problems {
		if len(p.text) < 4096 {
			f.Add([]byte(p.text))
		}
	}
	f.Add(Sample())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // the parser is quadratic in depth
		}
		c, err := Parse("f", data)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("parsed, but then refused: %v", err)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || len(e.Problems) == 0 || err.Error() == "" {
			t.Errorf("%T %v is not a list of problems", err, err)
		}
	})
}
