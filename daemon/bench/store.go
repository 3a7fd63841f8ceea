package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sensed/kernels/gguf"
)

// Files are the two files of a model.
type Files struct{ Text, Projector string }

// spareBytes is what must stay free on the disk.
const spareBytes = 256 << 20

// Folder returns where random models are kept unless the owner says otherwise.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder for cached data (%w): name one with --dir", err)
	}
	return filepath.Join(cache, "sensed", "bench"), nil
}

// Make returns the files of a random model of the shape in a folder. It writes
// them unless they are there and whole; say is told of what takes long.
func Make(ctx context.Context, folder string, s Shape, m Mix, say func(string)) (Files, error) {
	out := Files{
		Text:      filepath.Join(folder, fmt.Sprintf("%s-random-%s.gguf", s.Name, m.Name)),
		Projector: filepath.Join(folder, fmt.Sprintf("mmproj-%s-random-f16.gguf", s.Name)),
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Files{}, fmt.Errorf("the folder for the model cannot be made: %w", err)
	}
	text, projector := textPlan(s, m), projectorPlan(s)
	for _, f := range []struct {
		path string
		plan *plan
	}{{out.Text, text}, {out.Projector, projector}} {
		if whole(f.path, f.plan) {
			continue
		}
		say(fmt.Sprintf("writing %s, %.1f GB of random weights in the shape of a real model", f.path, float64(f.plan.bytes)/1e9))
		if err := save(ctx, f.path, f.plan); err != nil {
			return Files{}, fmt.Errorf("%s cannot be written: %w", f.path, err)
		}
	}
	return out, nil
}

// whole says whether the file is there as this package would write it. It
// reads the head of the file only: a file gets its name when all of it is written.
func whole(path string, p *plan) bool {
	f, err := gguf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	n, err := f.Int(recipeKey)
	if err != nil || n != recipe || len(f.Tensors()) != len(p.tensors) {
		return false
	}
	for _, t := range p.tensors {
		got, err := f.Tensor(t.name)
		if err != nil || got.Type != t.typ || got.Is(t.shape...) != nil {
			return false
		}
	}
	return true
}

// save writes a file under another name first, so that half of one is never
// taken for a whole one.
func save(ctx context.Context, path string, p *plan) (err error) {
	if err := roomFor(filepath.Dir(path), p.bytes); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := p.write(ctx, f); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close()
}

// roomFor returns an error unless n more bytes fit on the disk of a folder.
func roomFor(folder string, n int) error {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return fmt.Errorf("how much is free on the disk of %s cannot be told: %w", folder, err)
	}
	free := s.Bavail * uint64(s.Bsize)
	if need := uint64(n) + spareBytes; free < need {
		return fmt.Errorf("%.1f GB are needed on the disk of %s and %.1f GB are free: make room, or name another folder with --dir",
			float64(need)/1e9, folder, float64(free)/1e9)
	}
	return nil
}
