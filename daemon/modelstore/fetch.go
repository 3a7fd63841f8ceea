package modelstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pieceSize = 256 << 10 // of a file, read at a time
	syncEvery = 64 << 20  // bytes between two waits for the disk
)

// errStalled is why a connection was given up.
var errStalled = errors.New("nothing came any more")

// download is a file on its way.
type download struct {
	c       *Client
	w       Watcher
	file    *File // what is learnt of it on the way is noted in it
	part    *os.File
	hash    hash.Hash
	have    int64 // bytes in part and in hash
	best    int64 // the most that there ever were
	resumed bool  // some of them are of an earlier process
	synced  int64
}

// fetch brings a file to path: what is there of it in path.part is used, and the
// name path is given when size and hash are right. learnt is called when more is
// known about the file, before a byte of it is kept.
func (c *Client) fetch(ctx context.Context, f *File, path string, w Watcher, learnt func() error) (err error) {
	part, err := os.OpenFile(path+partSuffix, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	d := &download{c: c, w: w, file: f, part: part, hash: sha256.New()}
	w.Start(f.Name, f.Size)
	if err := d.readPart(ctx); err != nil {
		return err
	}
	for {
		err := c.persist(ctx, w.Say, func() (bool, error) {
			before := d.best
			err := d.attempt(ctx, learnt)
			d.best = max(d.best, d.have)
			return d.best > before, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		got := hex.EncodeToString(d.hash.Sum(nil))
		if f.SHA256 == "" || f.SHA256 == got {
			f.SHA256, f.Size, f.ETag = got, d.have, ""
			break
		}
		// A part that lay there may be what is wrong, a fresh file never.
		again := d.resumed
		if err := d.restart(); err != nil {
			return err
		}
		if !again {
			return errors.Join(fmt.Errorf("%s: what came has the SHA-256 %s and should have %s: it was changed or damaged on its way, and nothing of it is kept", f.Name, got, f.SHA256),
				os.Remove(path+partSuffix))
		}
		w.Say(f.Name + " is not right; what was there from an earlier attempt is thrown away, and it is fetched anew")
	}
	if err := errors.Join(part.Chmod(0o644), part.Sync()); err != nil {
		return err
	}
	if err := os.Rename(path+partSuffix, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// readPart takes in what an earlier process left.
func (d *download) readPart(ctx context.Context) error {
	size, err := d.part.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size == 0 {
		return nil
	}
	if d.file.Size > 0 && size > d.file.Size || d.file.SHA256 == "" && d.file.ETag == "" {
		return d.restart() // it cannot be the beginning of this file, or nobody could tell
	}
	d.w.Say(fmt.Sprintf("%s: %s are there already", d.file.Name, Size(size)))
	if _, err := d.part.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(d.hash, counter{ctx, d.w}), d.part)
	if err != nil {
		return err
	}
	d.have, d.best, d.synced, d.resumed = n, n, n, true
	return nil
}

// restart forgets what came.
func (d *download) restart() error {
	d.hash.Reset()
	d.have, d.synced, d.resumed = 0, 0, false
	d.w.Start(d.file.Name, d.file.Size)
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

// attempt asks for what is missing and takes what comes.
func (d *download) attempt(ctx context.Context, learnt func() error) error {
	if d.file.Size > 0 && d.have == d.file.Size {
		return nil
	}
	header := http.Header{}
	if d.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		if d.file.SHA256 == "" {
			header.Set("If-Range", d.file.ETag)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := time.AfterFunc(d.c.stall, func() { cancel(errStalled) })
	defer alarm.Stop()
	err := d.ask(ctx, header, alarm, learnt)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%w for %v", errStalled, d.c.stall)
	}
	return err
}

func (d *download) ask(ctx context.Context, header http.Header, alarm *time.Timer, learnt func() error) error {
	res, err := d.c.get(ctx, d.file.URL, header)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	total := int64(-1) // unknown
	switch {
	case res.StatusCode == http.StatusOK:
		if d.have > 0 {
			d.w.Say(d.file.Name + ": the server begins anew")
			if err := d.restart(); err != nil {
				return err
			}
		}
		if total = res.ContentLength; d.file.SHA256 == "" {
			d.file.Size = 0 // it may be another file by now
		}
	case res.StatusCode == http.StatusPartialContent && d.have > 0:
		first, of, ok := contentRange(res.Header.Get("Content-Range"))
		if !ok || first != d.have {
			return d.distrust(fmt.Sprintf("the server was asked for what follows byte %d and gives %q", d.have, res.Header.Get("Content-Range")))
		}
		total = of
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.have > 0:
		return d.distrust(fmt.Sprintf("the server has nothing behind byte %d", d.have))
	default:
		return refusal(res)
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return final(fmt.Errorf("the server packs the file (%s), though it was asked not to", e))
	}
	if err := d.learn(res, total, learnt); err != nil {
		return err
	}
	return d.take(res.Body, alarm)
}

// distrust begins anew after an answer that does not fit.
func (d *download) distrust(why string) error {
	if err := d.restart(); err != nil {
		return final(err)
	}
	return errors.New(why + "; beginning anew")
}

// learn notes what the answer, and those that sent us there, say about the file.
func (d *download) learn(res *http.Response, total int64, learnt func() error) error {
	f := d.file
	before := *f
	for r := res; r != nil; r = r.Request.Response {
		// Hugging Face has the hash of large files here, and another thing for
		// small ones.
		sum := strings.ToLower(strings.Trim(r.Header.Get("X-Linked-Etag"), `"`))
		switch {
		case !isSHA256(sum):
		case f.SHA256 == "":
			f.SHA256 = sum
		case f.SHA256 != sum:
			return final(fmt.Errorf("the server has another file now (SHA-256 %s, and wanted is %s): remove what came with sensed model rm, and pull again", sum, f.SHA256))
		}
		if n, err := strconv.ParseInt(r.Header.Get("X-Linked-Size"), 10, 64); err == nil && n > 0 && total < 0 {
			total = n // where it is does not say how long it is
		}
	}
	if total >= 0 {
		if f.Size > 0 && total != f.Size {
			return final(fmt.Errorf("the server has %d bytes of it, and there should be %d", total, f.Size))
		}
		f.Size = total
	}
	if f.Size > maxFileSize {
		return final(fmt.Errorf("%d bytes are too much for a model", f.Size))
	}
	f.ETag = ""
	if tag := res.Header.Get("ETag"); f.SHA256 == "" && strings.HasPrefix(tag, `"`) { // weak ones name no bytes
		f.ETag = tag
	}
	if *f == before {
		return nil
	}
	if f.Size != before.Size {
		d.w.Start(f.Name, f.Size)
		d.w.Add(d.have)
	}
	if err := learnt(); err != nil {
		return final(err)
	}
	return nil
}

// take writes what comes until there is no more.
func (d *download) take(body io.Reader, alarm *time.Timer) error {
	buf := make([]byte, pieceSize)
	for {
		n, err := body.Read(buf)
		alarm.Reset(d.c.stall)
		if over := d.have + int64(n) - d.file.Size; d.file.Size > 0 && over > 0 {
			return final(fmt.Errorf("the server sends more than the %d bytes that it has of it", d.file.Size))
		}
		if n > 0 {
			if _, err := d.part.Write(buf[:n]); err != nil {
				return final(errors.Join(err, d.cut()))
			}
			_, _ = d.hash.Write(buf[:n]) // it never fails
			d.have += int64(n)
			d.w.Add(int64(n))
		}
		if d.have-d.synced >= syncEvery {
			if err := unix.Fdatasync(int(d.part.Fd())); err != nil {
				return final(err)
			}
			d.synced = d.have
		}
		switch {
		case errors.Is(err, io.EOF) && d.file.Size > 0 && d.have < d.file.Size:
			return fmt.Errorf("it ended after %d of %d bytes", d.have, d.file.Size)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// cut takes away what a write that failed may have left.
func (d *download) cut() error { return d.part.Truncate(d.have) }

var rangeForm = regexp.MustCompile(`^bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)$`)

// contentRange reads a header such as "bytes 5-9/10"; of is -1 when the server
// does not say it.
func contentRange(s string) (first, of int64, ok bool) {
	m := rangeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	first, _ = strconv.ParseInt(m[1], 10, 64) // digits, and not too many
	last, _ := strconv.ParseInt(m[2], 10, 64)
	of = -1
	if m[3] != "*" {
		of, _ = strconv.ParseInt(m[3], 10, 64)
	}
	return first, of, first <= last && (of < 0 || last < of)
}

// Size writes bytes for people, as disks are sold: 1 GB has 10^9.
func Size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%d MB", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%d kB", n/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
