package replay

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sensed/devices"
)

var pictureNames = []string{".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"}

func isPictureName(path string) bool {
	return slices.Contains(pictureNames, strings.ToLower(filepath.Ext(path)))
}

// album plays pictures, in order.
type album struct {
	src  *Source
	pace devices.Pace

	list []string // the files of this pass
	at   int      // the next of them
	seq  uint64   // frames delivered
	good uint64   // of them in this pass
	bad  []error  // files left out in this pass

	last   picture         // the one decoded last, for a pass of one file and for a cancelled wait
	logged map[string]bool // files whose fault was logged
}

// picture is a decoded file and the state of the file when it was read.
type picture struct {
	path  string
	size  int64
	mtime time.Time
	image image.Image
}

func (s *Source) openAlbum() (devices.Camera, error) {
	fps := s.o.FPS
	if fps == 0 {
		fps = 1
	}
	a := &album{src: s, pace: devices.Pace{Clock: s.o.Clock, Every: every(fps)}, logged: map[string]bool{}}
	if err := a.read(); err != nil {
		return nil, err
	}
	return a, nil
}

// read lists the files of a pass.
func (a *album) read() error {
	s := a.src
	a.at, a.good, a.bad = 0, 0, nil
	if s.o.Path == "" {
		a.list = s.o.Files
		return nil
	}
	entries, err := os.ReadDir(s.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: the folder is gone: %w", s, devices.ErrLost)
	}
	if err != nil {
		if info, e := os.Stat(s.o.Path); e == nil && !info.IsDir() {
			a.list = []string{s.o.Path}
			return nil
		}
		return fmt.Errorf("%s: %w", s, err)
	}
	a.list = nil
	for _, e := range entries {
		if !e.IsDir() && isPictureName(e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			a.list = append(a.list, filepath.Join(s.o.Path, e.Name()))
		}
	}
	if len(a.list) == 0 {
		return fmt.Errorf("%s: the folder holds no picture (%s): put one there or correct the path; a video clip is named itself", s, strings.Join(pictureNames, " "))
	}
	slices.SortFunc(a.list, naturally)
	return nil
}

// Next returns the next picture that can be shown.
func (a *album) Next(ctx context.Context) (devices.Frame, error) {
	for {
		if a.at == len(a.list) {
			if err := a.turn(); err != nil {
				return devices.Frame{}, err
			}
		}
		path := a.list[a.at]
		img, err := a.load(ctx, path)
		if ctx.Err() != nil {
			return devices.Frame{}, ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", a.src, err)
			a.at++
			if a.src.o.Strict {
				return devices.Frame{}, err
			}
			a.bad = append(a.bad, err)
			if !a.logged[path] {
				a.logged[path] = true
				a.src.o.Log.Warn("picture left out", "file", path, "err", err)
			}
			continue
		}
		now, err := a.pace.Wait(ctx)
		if err != nil {
			return devices.Frame{}, err // the picture is kept for the next call
		}
		a.at++
		a.good++
		a.seq++
		if len(a.list) == 1 {
			img = clone(img) // what is shown again is kept, so it is not given away
		} else {
			a.last = picture{}
		}
		return devices.Frame{Time: now, Seq: a.seq, Image: img, Name: filepath.Base(path)}, nil
	}
}

// turn begins the next pass, or says why there is none.
func (a *album) turn() error {
	if a.good == 0 && len(a.bad) > 0 {
		if len(a.bad) == 1 {
			return a.bad[0]
		}
		return fmt.Errorf("none of the %d pictures can be shown; the first: %w", len(a.bad), a.bad[0])
	}
	if !a.src.o.Loop {
		return io.EOF
	}
	return a.read()
}

// load decodes the file at path, unless it is the one decoded last.
func (a *album) load(ctx context.Context, path string) (image.Image, error) {
	info, err := os.Stat(path)
	if err == nil && a.last.image != nil && a.last.path == path && a.last.size == info.Size() && a.last.mtime.Equal(info.ModTime()) {
		return a.last.image, nil
	}
	img, err := DecodeFile(ctx, path, a.src.o.Limits)
	if err != nil {
		return nil, err
	}
	a.last = picture{path: path, image: img}
	if info != nil {
		a.last.size, a.last.mtime = info.Size(), info.ModTime()
	}
	return img, nil
}

// Close forgets the pictures.
func (a *album) Close() error {
	a.last = picture{}
	return nil
}

// naturally orders names as people do: scene2 comes before scene10.
func naturally(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		dx, dy := digits(x), digits(y)
		if dx > 0 && dy > 0 {
			m, n := strings.TrimLeft(x[:dx], "0"), strings.TrimLeft(y[:dy], "0")
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if c := strings.Compare(m, n); c != 0 {
				return c
			}
			x, y = x[dx:], y[dy:]
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if c := len(x) - len(y); c != 0 {
		return c
	}
	return strings.Compare(a, b) // 01 and 1
}

// digits returns how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
