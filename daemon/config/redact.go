package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// leftOut stands for a value that is nobody's business.
const leftOut = "(left out)"

// Redacted returns what of a file may be shown to strangers, a line for each
// value: numbers, times, words of the format, names of sources, tasks and pins,
// local devices, and the hosts of addresses. Everything else is left out, above
// all what is not understood. The file need not be right.
func Redacted(data []byte) string {
	if len(data) > maxFile || tooDeep(data) > 0 {
		return leftOut + ": it is too large\n"
	}
	data, _, _ = Migrate(data)
	tree, err := parse(data)
	if err != nil {
		return leftOut + ": it is not YAML\n"
	}
	r := redactor{keys: map[string]Key{}}
	for _, k := range Keys() {
		r.keys[k.Path] = k
	}
	for _, d := range tree.Docs {
		if d.Body != nil {
			r.show(d.Body, "", "")
		}
	}
	return r.out.String()
}

type redactor struct {
	keys map[string]Key
	out  strings.Builder
}

// show writes a node; shown is its path as in Problem.Field, path as in Key.
func (r *redactor) show(n ast.Node, path, shown string) {
	if values, ok := entries(n); ok {
		for _, v := range values {
			key := keyOf(v)
			full := join(path, key)
			if _, known := r.keys[full]; !known {
				fmt.Fprintf(&r.out, "%s: %s, a key that is not known\n", join(shown, "?"), leftOut)
				continue
			}
			if v.Value == nil {
				continue
			}
			r.show(v.Value, full, join(shown, key))
		}
		return
	}
	k := r.keys[path]
	if s, ok := n.(*ast.SequenceNode); ok && k.Type == TypeList {
		for i, v := range s.Values {
			if v != nil {
				r.show(v, path+"[]", fmt.Sprintf("%s[%d]", shown, i))
			}
		}
		return
	}
	fmt.Fprintf(&r.out, "%s: %s\n", shown, r.value(k, n))
}

func (r *redactor) value(k Key, n ast.Node) string {
	switch n.(type) {
	case *ast.BoolNode, *ast.NullNode:
		return n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode:
		if k.Type == TypeWhole || k.Type == TypeNumber {
			return n.GetToken().Value
		}
		return leftOut
	}
	s, ok := n.(*ast.StringNode)
	if !ok {
		return leftOut
	}
	switch {
	case k.Type == TypeTime:
		if d, err := time.ParseDuration(s.Value); err == nil {
			return d.String()
		}
	case slices.Contains(k.Words, s.Value):
		return s.Value
	case harmless(k.Path) && harmlessForm.MatchString(s.Value):
		return s.Value
	case strings.HasPrefix(k.Path, "broker.url") || k.Path == "broker.fallbacks[]":
		return host(s.Value)
	case k.Path == "sources[].source":
		return harmlessDevice(s.Value)
	}
	return leftOut
}

// harmless are the texts that say nothing of people and open nothing.
func harmless(path string) bool {
	return slices.Contains([]string{"node", "broker.listen", "model", "model.name", "model.packed", "sources[].name", "sources[].tasks[].name",
		"triggers[].pin", "triggers[].starts[]", "switches[].pin", "switches[].sources[]", "led.model", "led.microphone", "led.camera",
		"health.metrics", "health.socket", "outbox.path", "web.listen", "web.timeline.path"}, path)
}

var harmlessForm = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,64}$`)

// host is an address without user, password and path.
func host(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return leftOut
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// harmlessDevice is the source of a device of this machine; of others only the
// kind.
func harmlessDevice(s string) string {
	d, err := ParseDevice(s)
	if err != nil {
		return leftOut
	}
	if slices.Contains([]string{"v4l2", "libcamera", "lepton", "arducam", "scene", "portaudio"}, d.Scheme) {
		return d.String()
	}
	return d.Scheme + ":" + leftOut
}
