package config

import (
	"strings"
	"testing"
)

func TestHomeAssistant(t *testing.T) {
	for text, want := range map[string]HomeAssistant{
		"":                     {true, "homeassistant", "homeassistant/status"},
		"homeassistant: true":  {true, "homeassistant", "homeassistant/status"},
		"homeassistant: false": {false, "homeassistant", "homeassistant/status"},
		"homeassistant: {prefix: ha/discovery, birth: ha/status}": {true, "ha/discovery", "ha/status"},
	} {
		c, err := Parse("f", []byte(text))
		if err != nil || c.HomeAssistant != want {
			t.Errorf("%s: %+v, %v", text, c.HomeAssistant, err)
		}
	}
	for text, want := range map[string]string{
		"homeassistant: {prefix: ha/}":   "f:1:25: homeassistant.prefix: \"ha/\" is no topic of 1 to 200 bytes without a slash at its ends; write for example homeassistant",
		"homeassistant: {birth: a/+/b}":  "f:1:24: homeassistant.birth: \"a/+/b\" has a character that MQTT topics use otherwise; leave out + # and a $ in front",
		"homeassistant: {prefix: 'a b'}": "f:1:25: homeassistant.prefix: \"a b\" has a space or a character that does not print; use letters, digits, dashes and slashes",
		"homeassistant: {prefix: ''}":    "f:1:25: homeassistant.prefix: \"\" is no topic",
		"homeassistant: {prefx: a}":      "did you mean \"prefix\"?",
		"homeassistant: yes please":      "here must be a mapping",
	} {
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
