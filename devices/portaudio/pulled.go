//go:build cgo

package portaudio

/*
// PortAudio stops a stream before it closes it, and gives up when that fails. A
// device that was pulled cannot be stopped: its file would stay open, and with
// it the number of its sound card stay taken, for as long as the process lives
// (PortAudio's own source marks the place "shouldn't we close anyway?"). These are
// the first fields of its PaUtilStreamRepresentation and PaUtilStreamInterface,
// and its PA_STREAM_MAGIC, which a stream has until it is closed.
struct sensed_stream {
	unsigned long magic;
	void *next;
	struct {
		int (*close)(void *stream);
	} *calls;
};

static int sensed_close(void *stream) {
	struct sensed_stream *s = stream;
	return s->magic == 0x18273645 ? s->calls->close(stream) : 0;
}
*/
import "C"

import (
	"errors"
	"reflect"

	pa "github.com/gordonklaus/portaudio"
)

// closePulled frees a stream that PortAudio refused to close because its device
// is gone.
func closePulled(s *pa.Stream) error {
	f := reflect.ValueOf(s).Elem().FieldByName("paStream")
	if !f.IsValid() || f.Kind() != reflect.UnsafePointer {
		return errors.New("the Go binding of PortAudio has changed: what was opened cannot be freed")
	}
	if code := C.sensed_close(f.UnsafePointer()); code != 0 {
		return pa.Error(code)
	}
	return nil
}
