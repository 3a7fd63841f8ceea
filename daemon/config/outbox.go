package config

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Outbox says where events wait for the broker, and how many may.
type Outbox struct {
	// Path of the folder; empty: the service's own folder, or memory when there
	// is none.
	Path      string
	Megabytes int           // on disk; 0: the outbox's default
	Age       time.Duration // older ones are dropped; 0: the outbox's default
}

func (r *reader) outbox(n ast.Node, path string, o *Outbox) {
	r.mapping(n, path, []field{
		{"path", r.text(&o.Path)},
		{"megabytes", r.whole(&o.Megabytes)},
		{"age", r.duration(&o.Age)},
	})
}

func (k *checker) outbox() {
	o := k.c.Outbox
	if o.Megabytes != 0 {
		k.within("outbox.megabytes", o.Megabytes, 1, 4096)
	}
	if o.Age != 0 && (o.Age < time.Minute || o.Age > 90*24*time.Hour) {
		k.wrong("outbox.age", fmt.Sprintf("%v is out of bounds", o.Age), "write a time from 1m to 2160h")
	}
}
