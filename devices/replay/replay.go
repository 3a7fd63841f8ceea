// Package replay plays pictures as if a camera took them: a folder, a list of
// files, one picture, or a video clip. It also holds the safe way from a file
// of unknown origin to pixels ([Decode], [DecodeFile], [Clip]).
//
// Pictures are PNG, JPEG, GIF, WebP and BMP. Clips are whatever the program
// ffmpeg reads; it runs as a child that dies with the camera.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"sensed/devices"
)

// Opts say what is played and how.
type Opts struct {
	// Path is a folder of pictures, one picture, or a video clip.
	Path string
	// Files is a list of pictures, in place of Path.
	Files []string
	// FPS is the number of frames in a second. Zero means 1 for pictures and
	// the clip's own rate for a clip. A clip keeps its speed at any FPS.
	FPS float64
	// Loop begins again at the end. A folder is read anew for each pass.
	Loop bool
	// Strict ends the playing at the first file that cannot be shown. Otherwise
	// such a file is logged and left out, and only a pass without any good
	// picture is an error.
	Strict bool
	// Clock paces the frames. Nil means [devices.Wall].
	Clock devices.Clock
	// Limits bound the pictures.
	Limits Limits
	// FFmpeg is the program that decodes clips. Empty means ffmpeg.
	FFmpeg string
	// Log hears of files that are left out. Nil means nobody does.
	Log *slog.Logger
}

// MaxFPS is the fastest that anything is played.
const MaxFPS = 240

// Source is something to play; [Source.Open] begins.
type Source struct {
	o Opts
}

// New checks o and touches no file.
func New(o Opts) (*Source, error) {
	switch {
	case o.Path == "" && len(o.Files) == 0:
		return nil, errors.New("replay: nothing to play: give the path of a folder, a picture or a video clip")
	case o.Path != "" && len(o.Files) > 0:
		return nil, errors.New("replay: both a path and a list of files are given: keep one of them")
	case math.IsNaN(o.FPS) || o.FPS < 0 || o.FPS > MaxFPS:
		return nil, fmt.Errorf("replay: fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	case o.FPS > 0 && o.FPS < 1.0/(7*24*3600):
		return nil, fmt.Errorf("replay: fps is %v: that is less than one frame a week", o.FPS)
	}
	for _, f := range o.Files {
		if f == "" {
			return nil, errors.New("replay: the list of files has an empty name")
		}
	}
	o.Limits = o.Limits.withDefaults()
	o.FFmpeg = cmp.Or(o.FFmpeg, "ffmpeg")
	if o.Clock == nil {
		o.Clock = devices.Wall{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{o}, nil
}

// String names the source in messages.
func (s *Source) String() string {
	if s.o.Path == "" {
		return fmt.Sprintf("replay of %d files", len(s.o.Files))
	}
	return "replay of " + s.o.Path
}

// Open looks at the files and begins to play. A path where nothing is gives an
// error that wraps [devices.ErrAbsent].
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.o.Path == "" {
		return s.openAlbum()
	}
	info, err := os.Stat(s.o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such file or folder: correct the path: %w", s, devices.ErrAbsent)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s, err)
	case info.IsDir():
		return s.openAlbum()
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: this is neither a file nor a folder: a camera device is played by v4l2", s)
	}
	k, why, err := sniffFile(s.o.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	if k != "" {
		return s.openAlbum()
	}
	// What is named like a picture and is none is no clip either.
	if isPictureName(s.o.Path) || info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w", s, &BadFile{Name: filepath.Base(s.o.Path), Why: why})
	}
	return s.openClip(ctx)
}

// sniffFile recognises the file at path by its first bytes.
func sniffFile(path string) (k kind, why string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := f.Read(head)
	if n == 0 && err != nil {
		n = 0 // an empty file; one that cannot be read says so again when it is decoded
	}
	k, why = sniff(head[:n])
	return k, why, nil
}

// every is the time between frames.
func every(fps float64) time.Duration {
	return time.Duration(float64(time.Second) / fps)
}
