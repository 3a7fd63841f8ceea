package config

import (
	"fmt"
)

// Version is the version of the format that this program reads and writes: the
// one to which the last of the migrations leads. It grows when a file would mean
// something else than before, or nothing.
const Version = 2

// newer returns the mistake of a file that a newer program wrote, alone: what
// else is wrong with it this program cannot know.
func (c *Config) newer() []Problem {
	if c.Version <= Version {
		return nil
	}
	k := &checker{c: c}
	k.wrong("version", fmt.Sprintf("the file is of version %d, and this sensed knows version %d", c.Version, Version), "install a newer sensed, or write it anew with sensed init")
	return k.problems
}

func (k *checker) version() {
	if k.c.Version < 1 {
		k.wrong("version", fmt.Sprintf("there is no version %d", k.c.Version), fmt.Sprintf("write %d", Version))
	}
}

// Outdated says what of the file is written in the words of an earlier version,
// which still work; [Migrate] rewrites it.
func (c *Config) Outdated() []Problem { return c.outdated }
