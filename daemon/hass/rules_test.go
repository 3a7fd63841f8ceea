package hass

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The rules of https://www.home-assistant.io/integrations/mqtt/ and of the pages
// of its platforms, of Home Assistant 2025.4, and default_entity_id of 2025.10.

var (
	discoveryTopic = regexp.MustCompile(`^(?:[^/+#$]+/)+device/[a-zA-Z0-9_-]+/config$`)
	entityID       = regexp.MustCompile(`^[a-z_]+\.[a-z0-9]+(?:_[a-z0-9]+)*$`)
	iconName       = regexp.MustCompile(`^mdi:[a-z0-9-]+$`)
)

// common are the keys of every platform.
var common = []string{"platform", "unique_id", "name", "default_entity_id", "icon", "device_class", "entity_category", "availability", "availability_mode",
	"qos", "json_attributes_topic", "json_attributes_template"}

// platform is what a platform demands and takes.
type platform struct {
	needs, takes []string
	classes      []string
}

func platforms() map[string]platform {
	state := []string{"state_topic", "value_template"}
	command := []string{"command_topic", "command_template"}
	return map[string]platform{
		"sensor": {needs: []string{"state_topic"}, takes: append([]string{"expire_after", "options", "state_class", "unit_of_measurement", "suggested_display_precision"}, state...),
			classes: []string{"temperature", "data_size", "duration", "enum"}},
		"binary_sensor": {needs: []string{"state_topic"}, takes: append([]string{"expire_after", "off_delay"}, state...),
			classes: []string{"motion", "sound", "occupancy", "problem"}},
		"event":  {needs: []string{"state_topic", "event_types"}, takes: append([]string{"event_types"}, state...), classes: []string{"button", "doorbell", "motion"}},
		"image":  {needs: []string{"image_topic"}, takes: []string{"image_topic", "content_type"}},
		"switch": {needs: []string{"command_topic"}, takes: slices.Concat(state, command), classes: []string{"switch", "outlet"}},
		"select": {needs: []string{"command_topic", "options"}, takes: slices.Concat([]string{"options"}, state, command)},
		"number": {needs: []string{"command_topic"}, takes: slices.Concat([]string{"min", "max", "step", "mode", "unit_of_measurement"}, state, command)},
		"text":   {needs: []string{"command_topic"}, takes: slices.Concat([]string{"min", "max", "mode"}, state, command)},
		"button": {needs: []string{"command_topic"}, takes: append([]string{"payload_press"}, command...), classes: []string{"identify", "restart", "update"}},
	}
}

// units that belong to a class of sensors.
var units = map[string][]string{"temperature": {"°C", "°F", "K"}, "data_size": {"B", "KiB", "MiB", "GiB"}, "duration": {"ms", "s", "min", "h", "d"}}

// rules checks a message of discovery.
func rules(t *testing.T, topic string, payload []byte) {
	t.Helper()
	if !discoveryTopic.MatchString(topic) {
		t.Errorf("%s is no discovery topic", topic)
	}
	if len(payload) > 250<<10 {
		t.Errorf("the payload takes %d bytes", len(payload))
	}
	var d struct {
		Device, Origin map[string]any
		Availability   []map[string]any
		Mode           string `json:"availability_mode"`
		Components     map[string]map[string]any
	}
	if err := json.Unmarshal(payload, &d); err != nil {
		t.Fatal(err)
	}
	if d.Device["identifiers"] == nil || d.Device["name"] == "" || d.Origin["name"] != "sensed" {
		t.Errorf("device %v, origin %v", d.Device, d.Origin)
	}
	availability(t, "the device", d.Availability, d.Mode)
	ids, entities := map[any]string{}, map[any]string{}
	for _, key := range slices.Sorted(maps.Keys(d.Components)) {
		c := d.Components[key]
		p, known := platforms()[text(c["platform"])]
		switch {
		case !known:
			t.Errorf("%s: platform %v", key, c["platform"])
			continue
		case strings.Contains(key, " "):
			t.Errorf("the key %q has a space, at which Home Assistant parts it", key)
		case len(c) == 1:
			continue // removed
		}
		component(t, key, c, p)
		if other, taken := ids[c["unique_id"]]; taken || c["unique_id"] == nil {
			t.Errorf("%s and %s have the unique_id %v", key, other, c["unique_id"])
		}
		ids[c["unique_id"]] = key
		if id := c["default_entity_id"]; id != nil {
			if other, taken := entities[id]; taken {
				t.Errorf("%s and %s want to be %v", key, other, id)
			}
			entities[id] = key
			if !entityID.MatchString(text(id)) || !strings.HasPrefix(text(id), text(c["platform"])+".") {
				t.Errorf("%s: default_entity_id %v", key, id)
			}
		}
	}
}

func component(t *testing.T, key string, c map[string]any, p platform) {
	t.Helper()
	for k := range c {
		if !slices.Contains(common, k) && !slices.Contains(p.takes, k) {
			t.Errorf("%s: a %v takes no %s", key, c["platform"], k)
		}
	}
	for _, k := range p.needs {
		if c[k] == nil {
			t.Errorf("%s: a %v needs a %s", key, c["platform"], k)
		}
	}
	for _, k := range []string{"state_topic", "command_topic", "image_topic", "json_attributes_topic"} {
		if s, ok := c[k].(string); ok && (s == "" || strings.ContainsAny(s, "+#\x00") || !utf8.ValidString(s)) {
			t.Errorf("%s: %s is %q", key, k, s)
		}
	}
	class, unit := text(c["device_class"]), text(c["unit_of_measurement"])
	if class != "" && !slices.Contains(p.classes, class) {
		t.Errorf("%s: there is no class %s of a %v", key, class, c["platform"])
	}
	if want := units[class]; len(want) > 0 && !slices.Contains(want, unit) {
		t.Errorf("%s: class %s in %q", key, class, unit)
	}
	readOnly := slices.Contains([]string{"sensor", "binary_sensor", "event", "image"}, text(c["platform"]))
	if category := text(c["entity_category"]); category != "" && category != "diagnostic" && (category != "config" || readOnly) {
		t.Errorf("%s: category %s of a %v", key, category, c["platform"])
	}
	options, _ := c["options"].([]any)
	if c["options"] != nil && (len(options) == 0 || c["platform"] == "sensor" && (class != "enum" || unit != "" || c["state_class"] != nil)) {
		t.Errorf("%s: options %v of class %q in %q", key, options, class, unit)
	}
	if icon := text(c["icon"]); icon != "" && !iconName.MatchString(icon) {
		t.Errorf("%s: icon %s", key, icon)
	}
	if types, _ := c["event_types"].([]any); c["event_types"] != nil && len(types) == 0 {
		t.Errorf("%s: no event_types", key)
	}
	bounds(t, key, c)
	for k, v := range c {
		if strings.HasSuffix(k, "_template") {
			template(t, key+" "+k, text(v))
		}
	}
	list, _ := c["availability"].([]any)
	if c["availability"] != nil {
		var entries []map[string]any
		for _, e := range list {
			entries = append(entries, e.(map[string]any))
		}
		availability(t, key, entries, text(c["availability_mode"]))
	}
}

func bounds(t *testing.T, key string, c map[string]any) {
	t.Helper()
	lo, hasLo := c["min"].(float64)
	hi, hasHi := c["max"].(float64)
	step, _ := c["step"].(float64)
	switch c["platform"] {
	case "number":
		if !hasLo || !hasHi || lo >= hi || step < 0.001 || !slices.Contains([]string{"auto", "box", "slider"}, text(c["mode"])) {
			t.Errorf("%s: min %v, max %v, step %v, mode %v", key, c["min"], c["max"], c["step"], c["mode"])
		}
	case "text":
		if !hasHi || hi > 255 || lo > hi {
			t.Errorf("%s: min %v, max %v; a state has at most 255 characters", key, c["min"], c["max"])
		}
	}
	if e, ok := c["expire_after"].(float64); ok && e <= 0 {
		t.Errorf("%s: expire_after %v", key, e)
	}
}

func availability(t *testing.T, what string, list []map[string]any, mode string) {
	t.Helper()
	if len(list) == 0 || mode != "all" {
		t.Errorf("%s: availability %v, mode %q", what, list, mode)
	}
	for _, a := range list {
		if topic := text(a["topic"]); !strings.HasPrefix(topic, "sensed/") || !strings.HasSuffix(topic, "/status") {
			t.Errorf("%s: availability %v", what, a)
		}
	}
}

// template checks that outside of its texts the braces of a template match.
func template(t *testing.T, what, s string) {
	t.Helper()
	bare := regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`).ReplaceAllString(s, "x")
	if !strings.HasPrefix(s, "{{ ") || !strings.HasSuffix(s, " }}") || strings.Count(bare, "{") != strings.Count(bare, "}") ||
		strings.Count(bare, "(") != strings.Count(bare, ")") || strings.ContainsAny(bare, `"'`) {
		t.Errorf("%s: %s", what, s)
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
