package replay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// Limits bound what [Decode] accepts, so that no file can take the memory of
// the board. A zero field means its default.
type Limits struct {
	// Bytes is the largest file, in bytes. Default 64 MiB.
	Bytes int64
	// Side is the largest width and the largest height, in pixels. Default 16384.
	Side int
	// Memory is the most that decoding one picture may take beside the file,
	// in bytes. Default 256 MiB: a 50 megapixel photograph.
	Memory int64
}

func (l Limits) withDefaults() Limits {
	l.Bytes = cmp.Or(l.Bytes, 64<<20)
	l.Side = cmp.Or(l.Side, 16384)
	l.Memory = cmp.Or(l.Memory, 256<<20)
	return l
}

// BadFile says why a file could not be shown. Its message names the file and
// what its owner can do.
type BadFile struct {
	Name string
	Why  string
	Err  error // what the decoder or the system said, or nil; never io.EOF
}

// Error names the file and the reason.
func (e *BadFile) Error() string { return e.Name + ": " + e.Why }

// Unwrap returns what the decoder or the system said.
func (e *BadFile) Unwrap() error { return e.Err }

// Decode reads one picture: PNG, JPEG, GIF (its first frame), WebP or BMP,
// recognised by its content. The result is an *image.YCbCr, *image.RGBA,
// *image.NRGBA or *image.Gray whose bounds begin at (0, 0), turned upright as
// its EXIF orientation says. The size is checked against lim before any pixel
// is decoded. Every error is a [*BadFile] that names the picture as name.
func Decode(r io.Reader, name string, lim Limits) (image.Image, error) {
	lim = lim.withDefaults()
	data, err := io.ReadAll(io.LimitReader(r, lim.Bytes+1))
	if err != nil {
		return nil, &BadFile{name, fmt.Sprintf("cannot be read: %v", err), err}
	}
	return decode(context.Background(), data, name, lim)
}

// DecodeFile reads the picture in the file at path as [Decode] does. It
// returns ctx.Err() when ctx ends first.
func DecodeFile(ctx context.Context, path string, lim Limits) (image.Image, error) {
	lim = lim.withDefaults()
	name := filepath.Base(path)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Looking before opening: opening a FIFO would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, &BadFile{name, fmt.Sprintf("cannot be read: %v", err), err}
	}
	if !info.Mode().IsRegular() {
		return nil, &BadFile{Name: name, Why: "is not a file: name a picture"}
	}
	if info.Size() > lim.Bytes {
		return nil, tooLong(name, lim)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &BadFile{name, fmt.Sprintf("cannot be read: %v", err), err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, lim.Bytes+1))
	if err != nil {
		return nil, &BadFile{name, fmt.Sprintf("cannot be read: %v", err), err}
	}
	return decode(ctx, data, name, lim)
}

func tooLong(name string, lim Limits) error {
	return &BadFile{Name: name, Why: fmt.Sprintf("is longer than %s: make the picture smaller", megabytes(lim.Bytes))}
}

// decode is the one way from bytes to pixels. A decoder that runs for long
// ends when ctx does, because its next read fails.
func decode(ctx context.Context, data []byte, name string, lim Limits) (img image.Image, err error) {
	// The decoders promise errors for damaged bytes. Should one of them panic
	// all the same, a bad file must not end the daemon.
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, &BadFile{Name: name, Why: fmt.Sprintf("is damaged (the decoder gave up: %v): replace it", p)}
		}
	}()
	if int64(len(data)) > lim.Bytes {
		return nil, tooLong(name, lim)
	}
	kind, why := sniff(data)
	if kind == "" {
		return nil, &BadFile{Name: name, Why: why}
	}
	size, err := measure(kind, data)
	if err != nil {
		return nil, damaged(name, kind, err)
	}
	if err := size.check(name, lim); err != nil {
		return nil, err
	}
	r := &stoppingReader{ctx, bytes.NewReader(data)}
	switch kind {
	case pngKind:
		img, err = png.Decode(r)
	case jpegKind:
		img, err = jpeg.Decode(r)
	case gifKind:
		img, err = gif.Decode(r)
	case webpKind:
		img, err = webp.Decode(r)
	case bmpKind:
		img, err = bmp.Decode(r)
	}
	if e := ctx.Err(); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, damaged(name, kind, err)
	}
	img = plain(img, image.Rect(0, 0, size.width, size.height))
	if kind == jpegKind {
		img = upright(img, orientation(data))
	}
	return img, nil
}

func damaged(name string, kind kind, err error) error {
	why := fmt.Sprintf("is a damaged %s picture (%v): replace it", kind, err)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		why = fmt.Sprintf("is a %s picture that is cut off: copy it again", kind)
		err = io.ErrUnexpectedEOF // io.EOF would read as the end of the source
	}
	return &BadFile{name, why, err}
}

// stoppingReader fails when its context has ended.
type stoppingReader struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppingReader) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

func megabytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
