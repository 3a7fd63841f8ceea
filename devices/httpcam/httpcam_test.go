package httpcam

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

// grey is a JPEG of one grey.
func grey(level uint8) []byte {
	img := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = level
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, nil)
	return b.Bytes()
}

// serve runs a camera.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// snapshots answers each request with a picture.
func snapshots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(grey(100))
}

// streams writes parts, one picture each, until the client goes away.
func streams(contentType, before, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, before+string(grey(100))+after); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(2 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
	}
}

func source(t *testing.T, o Opts) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// look opens a camera and returns its first picture.
func look(o Opts) (devices.Frame, error) {
	s, err := New(o)
	if err != nil {
		return devices.Frame{}, err
	}
	cam, err := s.Open(context.Background())
	if err != nil {
		return devices.Frame{}, err
	}
	defer cam.Close()
	return cam.Next(context.Background())
}

func TestKeepsTheContract(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"snapshots": snapshots,
		"stream":    streams("multipart/x-mixed-replace; boundary=b", "--b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
	} {
		// A server that keeps connections has goroutines and files of its own.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
		go func() { _ = server.Serve(l) }()
		devicetest.Camera(t, name, func(t *testing.T) devices.Camera {
			cam, err := source(t, Opts{URL: "http://" + l.Addr().String() + "/", FPS: 100}).Open(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return cam
		}, devicetest.CameraOpts{})
		server.Close()
	}
}

func TestStreamsOfManyCameras(t *testing.T) {
	for _, tt := range []struct{ name, contentType, before, after string }{
		{"as it should be", "multipart/x-mixed-replace; boundary=frame", fmt.Sprintf("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(grey(100))), "\r\n"},
		{"no length", "multipart/x-mixed-replace;boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
		{"a wrong length", "multipart/x-mixed-replace;boundary=frame", "--frame\r\nContent-Length: 5\r\n\r\n", "\r\n"},
		{"dashes in the boundary", "multipart/x-mixed-replace;boundary=--myboundary", "--myboundary\nContent-Type: image/jpeg\n\n", ""},
		{"another boundary", `Multipart/X-Mixed-Replace; boundary="a b:c"`, "--something else\r\n\r\n", "\r\n"},
		{"no boundary", "multipart/x-mixed-replace", "\r\n\r\n", ""},
		{"nothing between", "multipart/x-mixed-replace; boundary=", "", ""},
		{"parts that are no pictures", "multipart/mixed; boundary=x", "--x\r\nContent-Type: text/plain\r\n\r\nit is 20 degrees\r\n--x\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, streams(tt.contentType, tt.before, tt.after))
			cam, err := source(t, Opts{URL: server.URL}).Open(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer cam.Close()
			for range 3 {
				f, err := cam.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if g, ok := f.Image.(*image.Gray); !ok || g.Bounds() != image.Rect(0, 0, 64, 48) || g.Pix[0] != 100 {
					t.Errorf("picture %d is %T of %v", f.Seq, f.Image, f.Image.Bounds())
				}
			}
		})
	}
}

func TestAnswersWithoutPictures(t *testing.T) {
	answer := func(code int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	half := string(grey(100)[:300])
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string
		lost bool
	}{
		{"web page", answer(200, "text/html; charset=utf-8", "<html>"), "it gives text/html; charset=utf-8 and no picture: correct the address", false},
		{"missing", answer(404, "text/html", ""), "it has nothing at this address (404): correct the path", false},
		{"forbidden", answer(403, "text/html", ""), "it forbids us this address", false},
		{"broken", answer(503, "text/html", ""), "it answers 503 Service Unavailable", false},
		{"wants a password", answer(401, "text/html", ""), "it asks for a user and a password: write http://USER@127.0.0.1", false},
		{"no picture in it", answer(200, "multipart/x-mixed-replace", "--x\r\n\r\nnothing"), "its answer has no JPEG picture in it: correct the address", false},
		{"cut off by the network", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, half)
		}, "its picture is cut off", true},
		{"cut off by the camera", answer(200, "image/jpeg", half), "60 damaged pictures in a row (", true},
		{"text", answer(200, "image/jpeg", "hello"), "no JPEG", true},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			for b := make([]byte, 1<<20); r.Context().Err() == nil; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, "more than 16 MiB", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, tt.h)
			_, err := look(Opts{URL: server.URL + "/snap?pwd=secret", FPS: 120})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "camera http://127.0.0.1:") {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
			if errors.Is(err, devices.ErrLost) != tt.lost || errors.Is(err, devices.ErrAbsent) || strings.Contains(err.Error(), "secret") {
				t.Errorf("err = %v, lost %t", err, errors.Is(err, devices.ErrLost))
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	closed := httptest.NewServer(http.HandlerFunc(snapshots))
	closed.Close()
	_, err := look(Opts{URL: closed.URL + "/?pwd=secret"})
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "it does not answer") || strings.Contains(err.Error(), "secret") {
		t.Errorf("refused: %v", err)
	}
	stop := make(chan struct{})
	slow := serve(t, func(http.ResponseWriter, *http.Request) { <-stop })
	defer close(stop)
	_, err = look(Opts{URL: slow.URL, Timeout: 50 * time.Millisecond})
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "it does not answer within 50ms") {
		t.Errorf("slow: %v", err)
	}
	_, err = look(Opts{URL: "http://no-such-camera.invalid/"})
	if !errors.Is(err, devices.ErrAbsent) {
		t.Errorf("unknown name: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := source(t, Opts{URL: slow.URL}).Open(ctx); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPictureThatTakesTooLong(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(grey(100)[:50])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := look(Opts{URL: server.URL, Timeout: 50 * time.Millisecond})
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "one picture takes more than 50ms") {
		t.Errorf("err = %v", err)
	}
}

func TestStreamThatEndsOrFallsSilent(t *testing.T) {
	for name, tt := range map[string]struct {
		silent bool
		want   string
	}{"ends": {false, "the camera has ended the stream"}, "silent": {true, "no picture came for 50ms"}} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=x")
				_, _ = w.Write(grey(100))
				_ = http.NewResponseController(w).Flush()
				if tt.silent {
					<-r.Context().Done()
				}
			})
			cam, err := source(t, Opts{URL: server.URL, Silence: 50 * time.Millisecond}).Open(context.Background())
			if err != nil && !tt.silent { // a slow machine may be silent before the first picture
				t.Fatal(err)
			}
			if err == nil {
				defer cam.Close()
				for err == nil {
					_, err = cam.Next(context.Background())
				}
			}
			if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

// A camera that fails now and then is asked again; one that stays away is lost.
func TestSnapshotsThatFail(t *testing.T) {
	var n atomic.Int32
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if k := n.Add(1); k%3 == 2 || k > 10 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		snapshots(w, r)
	})
	cam, err := source(t, Opts{URL: server.URL, FPS: 120}).Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	pictures := 0
	for ; err == nil; pictures++ {
		_, err = cam.Next(context.Background())
	}
	if pictures < 3 || !strings.Contains(err.Error(), "it answers 503") {
		t.Errorf("after %d calls: %v", pictures, err)
	}
}

func TestRedirects(t *testing.T) {
	plain := serve(t, snapshots)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	}))
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := certificate(t, secure)
	_, err := look(Opts{URL: secure.URL, CAFile: ca})
	if err == nil || !strings.Contains(err.Error(), "from an encrypted address to one that is not") {
		t.Errorf("downward: %v", err)
	}
	there := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pictures" {
			snapshots(w, r)
			return
		}
		http.Redirect(w, r, "/pictures", http.StatusFound)
	})
	if _, err := look(Opts{URL: there.URL}); err != nil {
		t.Errorf("on the same camera: %v", err)
	}
	circle := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	if _, err := look(Opts{URL: circle.URL}); err == nil || !strings.Contains(err.Error(), "sends us on 6 times") {
		t.Errorf("in a circle: %v", err)
	}
	odd := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "ftp://x/", http.StatusFound) })
	if _, err := look(Opts{URL: odd.URL}); err == nil || !strings.Contains(err.Error(), "sends us on to ftp:") {
		t.Errorf("elsewhere: %v", err)
	}
	asking := serve(t, guard(t, "digest-md5", snapshots))
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, asking.URL, http.StatusFound) })
	if _, err := look(withUser(other.URL, "secret word")); err == nil || !strings.Contains(err.Error(), "which wants a password") {
		t.Errorf("to one that wants the password: %v", err)
	}
}

// certificate writes that of a server into a file.
func certificate(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(snapshots))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, err := look(Opts{URL: server.URL, CAFile: certificate(t, server)}); err != nil {
		t.Errorf("trusted: %v", err)
	}
	_, err := look(Opts{URL: server.URL})
	if err == nil || !strings.Contains(err.Error(), "its certificate is not trusted") || !strings.Contains(err.Error(), "as ca_file") {
		t.Errorf("not trusted: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := look(Opts{URL: server.URL, CAFile: empty}); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("empty file: %v", err)
	}
	if _, err := look(Opts{URL: server.URL, CAFile: empty + "x"}); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("no file: %v", err)
	}
}

func TestOptions(t *testing.T) {
	secret := func() (string, error) { return "x", nil }
	for _, tt := range []struct {
		o    Opts
		want string
	}{
		{Opts{}, "this is no address"},
		{Opts{URL: "http:///x"}, "this is no address"},
		{Opts{URL: "http://a b/"}, "this is no address"},
		{Opts{URL: "ftp://a/"}, "begins with ftp:"},
		{Opts{URL: "http://a/#x"}, "after #"},
		{Opts{URL: "http://u:p@a/"}, "has a password in it"},
		{Opts{URL: "http://a/", Password: secret}, "a password without a user"},
		{Opts{URL: "http://a/", FPS: 1000}, "fps is 1000"},
		{Opts{URL: "http://a/", CAFile: "x"}, "not encrypted: write https:"},
		{Opts{URL: "http://a/", Timeout: -1}, "cannot be negative"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
}
