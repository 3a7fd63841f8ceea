package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// HomeAssistant says whether and where Home Assistant is told what the node has.
type HomeAssistant struct {
	Discovery bool
	Prefix    string // first levels of the discovery topics
	Birth     string // topic on which Home Assistant says that it has started
}

func (r *reader) homeAssistant(n ast.Node, path string, h *HomeAssistant) {
	h.Discovery = r.orSwitch(n, path, []field{
		{"prefix", r.text(&h.Prefix)},
		{"birth", r.text(&h.Birth)},
	})
}

func (k *checker) homeAssistant() {
	h := k.c.HomeAssistant
	k.topic("homeassistant.prefix", h.Prefix, "homeassistant")
	k.topic("homeassistant.birth", h.Birth, "homeassistant/status")
}

// maxTopic bounds a topic that the file names, in bytes.
const maxTopic = 200

// topic checks a topic to publish on or to listen to.
func (k *checker) topic(field, topic, example string) {
	switch {
	case topic == "" || strings.HasPrefix(topic, "/") || strings.HasSuffix(topic, "/") || len(topic) > maxTopic:
		k.wrong(field, fmt.Sprintf("%.80q is no topic of 1 to %d bytes without a slash at its ends", topic, maxTopic), "write for example "+example)
	case strings.ContainsAny(topic, "+#") || strings.HasPrefix(topic, "$"):
		k.wrong(field, fmt.Sprintf("%q has a character that MQTT topics use otherwise", topic), "leave out + # and a $ in front")
	case strings.ContainsFunc(topic, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar
	}):
		k.wrong(field, fmt.Sprintf("%q has a space or a character that does not print", topic), "use letters, digits, dashes and slashes")
	}
}
