//go:build !cgo

package portaudio

import (
	"context"
	"errors"
	"time"
)

var errNotBuilt = errors.New("this program was built without PortAudio (CGO_ENABLED=0), so it has no microphones; use wav: or a build with cgo")

func open(context.Context, Opts) (*microphone, error) { return nil, errNotBuilt }

func list(context.Context, time.Duration) ([]Device, error) { return nil, errNotBuilt }
