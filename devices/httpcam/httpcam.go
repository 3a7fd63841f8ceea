// Package httpcam plays network cameras that give pictures over HTTP: one JPEG
// for each request, or an endless answer of JPEGs (multipart/x-mixed-replace).
// Which of the two an address gives is seen by its answer.
package httpcam

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/stream"
)

// Opts say which camera is played, and how.
type Opts struct {
	// URL is the address, http or https, with the name of the user if the camera
	// asks for one, and without the password.
	URL string
	// Password returns the password; it is asked each time that the camera is
	// opened. Nil: there is none.
	Password func() (string, error)
	// CAFile is a file of PEM certificates to trust instead of the system's.
	CAFile string
	// FPS is the number of pictures in a second. Zero means 1 where each is
	// asked for, and all of a stream.
	FPS float64
	// Timeout is how long connecting, the beginning of an answer, and one picture
	// that was asked for may take. Default 10 s.
	Timeout time.Duration
	// Silence is how long a stream may give no picture. Default 10 s.
	Silence time.Duration
	// Log hears of pictures that are left out. Nil means nobody does.
	Log *slog.Logger
}

// MaxFPS is the fastest that pictures are taken.
const MaxFPS = 120

// maxFailed is after how many failed requests in a row a camera is lost.
const maxFailed = 3

// Source is a camera; [Source.Open] connects to it.
type Source struct {
	o    Opts
	url  *url.URL // without the user
	user string
}

// New checks o and connects to nothing.
func New(o Opts) (*Source, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("httpcam: this is no address: write for example http://camera.lan/snapshot.jpg")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("httpcam: the address begins with %s:, not with http: or https:", u.Scheme)
	case u.Fragment != "":
		return nil, errors.New("httpcam: the address has a part after #, which no camera gets to see: leave it out")
	case math.IsNaN(o.FPS) || o.FPS < 0 || o.FPS > MaxFPS || o.FPS > 0 && o.FPS < 1e-5:
		return nil, fmt.Errorf("httpcam: fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	case o.Timeout < 0 || o.Silence < 0:
		return nil, fmt.Errorf("httpcam: the time limits (%v, %v) cannot be negative", o.Timeout, o.Silence)
	case o.CAFile != "" && u.Scheme == "http":
		return nil, errors.New("httpcam: certificates are given, but the connection is not encrypted: write https:")
	}
	s := &Source{url: u, user: u.User.Username()}
	if _, has := u.User.Password(); has {
		return nil, errors.New("httpcam: the address has a password in it, which would show in logs: put it into a file of its own")
	}
	if s.user == "" && o.Password != nil {
		return nil, errors.New("httpcam: a password without a user: write http://USER@camera...")
	}
	u.User = nil
	o.Timeout, o.Silence = cmp.Or(o.Timeout, 10*time.Second), cmp.Or(o.Silence, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s.o = o
	return s, nil
}

// String names the camera in messages: without what follows a question mark,
// where some cameras want their password.
func (s *Source) String() string {
	return "camera " + s.url.Scheme + "://" + s.url.Host + s.url.EscapedPath()
}

// Open connects to the camera and waits for its first picture. An error wraps
// [devices.ErrAbsent] when it does not answer.
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := newClient(s)
	if err != nil {
		return nil, err
	}
	// The context of Open ends the connection only until Open returns.
	life, stop := context.WithCancel(context.Background())
	release := context.AfterFunc(ctx, stop)
	end := func() { stop(); c.close() }
	cam, err := s.open(ctx, life, c, end)
	if err != nil {
		end()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	if !release() { // ctx has just ended, and took the connection with it
		_ = cam.Close()
		return nil, ctx.Err()
	}
	return cam, nil
}

func (s *Source) open(ctx, life context.Context, c *client, end func()) (devices.Camera, error) {
	answer, err := c.get(life) //nolint:bodyclose // by Stop, or by the asker
	if err != nil {
		return nil, err
	}
	pictures := stream.Pictures{
		Name: s.String(), Decode: stream.DecodeJPEG, Glance: new(stream.JPEGGlance).Glance,
		FPS: s.o.FPS, Silence: s.o.Silence, Log: s.o.Log, Explain: s.explain,
	}
	if kind(answer) == multipart {
		pictures.Read = stream.NewJPEGs(answer.Body).Next
		pictures.Stop = func() { end(); answer.Body.Close() }
	} else {
		a := &asker{s: s, c: c, life: life, first: answer, every: time.Duration(float64(time.Second) / cmp.Or(s.o.FPS, 1))}
		pictures.Read, pictures.FPS = a.read, 0 // it keeps the rate itself
		pictures.Silence += a.every + maxFailed*s.o.Timeout
		pictures.Stop = end
	}
	cam := stream.NewCamera(pictures)
	late := func() error {
		return s.explain(fmt.Errorf("no picture came for %v: %w", s.o.Silence, stream.ErrSilent), 0)
	}
	if err := cam.Wait(ctx, pictures.Silence, late); err != nil {
		_ = cam.Close()
		return nil, err
	}
	return cam, nil
}

// explain says why there are no more pictures.
func (s *Source) explain(err error, pictures uint64) error {
	var known *failure
	switch {
	case errors.As(err, &known): // says all
		return err
	case errors.Is(err, stream.ErrSilent):
		return fmt.Errorf("%s: %w: look after the network, or restart the camera: %w", s, err, devices.ErrLost)
	case (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)) && pictures == 0:
		return fmt.Errorf("%s: its answer has no JPEG picture in it: correct the address", s)
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the camera has ended the stream: %w", s, devices.ErrLost)
	}
	return fmt.Errorf("%s: the connection broke (%w): %w", s, plain(err), devices.ErrLost)
}

// asker asks for one picture after the other.
type asker struct {
	s     *Source
	c     *client
	life  context.Context
	first *http.Response // the answer with which it was opened; then nil
	pace  time.Time      // when the next request is due
	every time.Duration
}

// read returns the next picture. A camera that fails now and then is asked again.
func (a *asker) read(buf []byte) ([]byte, error) {
	for failed := 0; ; {
		got, err := a.ask(buf)
		if err == nil {
			return got, nil
		}
		failed++
		if a.life.Err() != nil || failed == maxFailed {
			return buf, err
		}
		a.s.o.Log.Debug("a picture could not be had", "camera", a.s.String(), "error", err)
	}
}

// ask waits until the next picture is due and gets it.
func (a *asker) ask(buf []byte) ([]byte, error) {
	answer := a.first
	a.first = nil
	if answer == nil {
		if err := (devices.Wall{}).Until(a.life, a.pace); err != nil {
			return buf, err
		}
	}
	a.pace = time.Now().Add(a.every)
	ctx, cancel := context.WithTimeout(a.life, a.s.o.Timeout)
	defer cancel()
	if answer == nil {
		var err error
		if answer, err = a.c.get(ctx); err != nil {
			return buf, err
		}
	}
	// The first answer belongs to the life of the camera; this holds for it too.
	defer context.AfterFunc(ctx, func() { answer.Body.Close() })()
	defer answer.Body.Close()
	if k := kind(answer); k != picture {
		return buf, a.s.failed(fmt.Errorf("now gives %s", answer.Header.Get("Content-Type")), "restart it", devices.ErrLost)
	}
	w := bytes.NewBuffer(buf)
	n, err := io.Copy(w, io.LimitReader(answer.Body, stream.MaxJPEG+1))
	switch {
	case n > stream.MaxJPEG:
		return buf, a.s.failed(fmt.Errorf("its picture has more than %d MiB", stream.MaxJPEG>>20), "let it give smaller ones", nil)
	case err != nil && ctx.Err() != nil && a.life.Err() == nil:
		return buf, a.s.failed(fmt.Errorf("one picture takes more than %v", a.s.o.Timeout), "look after the network", devices.ErrLost)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return buf, a.s.failed(errors.New("its picture is cut off"), "look after the network", devices.ErrLost)
	case err != nil:
		return buf, err
	}
	return w.Bytes(), nil
}

// What an answer holds.
type content int

const (
	other content = iota
	picture
	multipart
)

func kind(answer *http.Response) content {
	t, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch t = strings.ToLower(strings.TrimSpace(t)); {
	case strings.HasPrefix(t, "multipart/"):
		return multipart
	case strings.HasPrefix(t, "image/"), t == "", t == "application/octet-stream":
		return picture
	}
	return other
}
