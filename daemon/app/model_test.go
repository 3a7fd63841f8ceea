package app

import "testing"

func TestPackedFolder(t *testing.T) {
	for _, c := range []struct{ key, cache, want string }{
		{"", "", ""}, // beside the model
		{"", "/var/cache/sensed", "/var/cache/sensed"},
		{"", "/var/cache/sensed:/var/cache/other", "/var/cache/sensed"},
		{"", "relative", ""},
		{"/mnt/ssd", "/var/cache/sensed", "/mnt/ssd"},
		{"off", "/var/cache/sensed", "off"},
	} {
		t.Setenv("CACHE_DIRECTORY", c.cache)
		if got := (Model{Packed: c.key}).packed(); got != c.want {
			t.Errorf("packed: %q with CACHE_DIRECTORY=%q gives %q, want %q", c.key, c.cache, got, c.want)
		}
	}
}
