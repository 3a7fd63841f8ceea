package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// again puts a new process of this program, with the same arguments, in the place
// of this one. It returns only if it cannot. A program that was replaced meanwhile
// is found under its name.
func again() error {
	path, err := os.Executable()
	if err == nil {
		path = strings.TrimSuffix(path, " (deleted)")
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	return fmt.Errorf("sensed cannot start itself again: %w", err)
}
