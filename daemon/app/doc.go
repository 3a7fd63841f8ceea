// Package app wires the parts of sensed together and holds the bodies of its
// commands: the daemon, the demonstration, and one-shot questions to the model.
// It is the only package that knows all the others.
package app

import (
	"context"
	"errors"
	"fmt"
)

// Class says what was wrong; the program's exit code tells it.
type Class int

// The classes, which are the exit codes of the daemon. Other commands end with 1
// for BadModel.
const (
	Failed      Class = 1   // something failed while working
	Usage       Class = 2   // the command line is wrong
	BadConfig   Class = 3   // the configuration is wrong
	BadModel    Class = 4   // the model files are missing, damaged or of two models
	BadInput    Class = 5   // a picture, a sound or a line cannot be used
	NotRunning  Class = 6   // no daemon runs that could be asked
	Interrupted Class = 130 // a signal ended the command before it was done
)

// Error is an error with its class.
type Error struct {
	Class Class
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a class as fmt.Errorf does.
func Errorf(c Class, format string, args ...any) error {
	return &Error{c, fmt.Errorf(format, args...)}
}

// ClassOf returns the class of an error, 0 for none.
func ClassOf(err error) Class {
	var e *Error
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.As(err, &e):
		return e.Class
	}
	return Failed
}

// as gives an error a class unless it has one already.
func as(c Class, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{c, err}
}
