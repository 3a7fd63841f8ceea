package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/modelstore"
	"sensed/deploy/models/tiny"
	"sensed/kernels/gguf"
)

// hashPiece is how much of a model file is read at a time for its hash.
const hashPiece = 1 << 20

// provenance knows what events say of the model besides its name. The hash of a
// large file takes minutes on a small board; until then it is not there.
type provenance struct{ known atomic.Pointer[event.Model] }

// model returns what is known by now.
func (p *provenance) model() event.Model {
	if m := p.known.Load(); m != nil {
		return *m
	}
	return event.Model{}
}

// hashed is a file and its hash, as it is kept.
type hashed struct {
	Path   string    `json:"path"`
	Size   int64     `json:"size"`
	Time   time.Time `json:"time"`
	SHA256 string    `json:"sha256"`
}

// look finds out about the model until ctx ends. The hash is kept in the file
// memo, if there is a name of one, for as long as the model's file stays the same.
func (p *provenance) look(ctx context.Context, path, memo string, log *slog.Logger) {
	if path == "" {
		p.bundled(log)
		return
	}
	var m event.Model
	if f, err := gguf.Open(path); err == nil {
		m.Quant = quantisation(f.Tensors())
		_ = f.Close() // it was only read
	}
	p.known.Store(&m)
	sum, err := kept(path, memo)
	if err != nil {
		if sum, err = hashFile(ctx, path, memo); err != nil {
			if ctx.Err() == nil {
				log.Warn("events do not say the hash of the model", "file", path, "err", err)
			}
			return
		}
	}
	m.SHA256 = sum
	p.known.Store(&m)
}

// bundled says what is known of the model inside the program.
func (p *provenance) bundled(log *slog.Logger) {
	data, err := fs.ReadFile(tiny.Files(), tiny.Text)
	if err != nil {
		log.Warn("events do not say the hash of the model", "err", err)
		return
	}
	m := event.Model{SHA256: hex.EncodeToString(hashOf(data))}
	if f, err := gguf.Parse(tiny.Text, data); err == nil {
		m.Quant = quantisation(f.Tensors())
	}
	p.known.Store(&m)
}

// quantisation names the encoding of most of the weights, without the tables of
// embeddings, which have one of their own.
func quantisation(tensors []gguf.Tensor) string {
	bytes := map[string]int{}
	best := ""
	for _, t := range tensors {
		if strings.Contains(t.Name, "token_embd") {
			continue
		}
		name := t.Type.String()
		bytes[name] += len(t.Data)
		if best == "" || bytes[name] > bytes[best] {
			best = name
		}
	}
	return best
}

// kept returns the hash of a model that was noted when it was pulled, or that the
// file memo has of one that has not changed since.
func kept(path, memo string) (string, error) {
	if sum, ok := modelstore.Recorded(path); ok {
		return sum, nil
	}
	if memo == "" {
		return "", errors.New("nothing is kept")
	}
	data, err := os.ReadFile(memo)
	if err != nil {
		return "", err
	}
	var have hashed
	if err := json.Unmarshal(data, &have); err != nil {
		return "", err
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if have.Path != path || have.Size != st.Size() || !have.Time.Equal(st.ModTime()) || len(have.SHA256) != 2*sha256.Size {
		return "", errors.New("it is another file")
	}
	return have.SHA256, nil
}

// hashFile reads the whole file, at leisure, and keeps the hash in memo.
func hashFile(ctx context.Context, path, memo string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	sum, err := hash(ctx, f)
	if err != nil || memo == "" {
		return sum, err
	}
	data, err := json.Marshal(hashed{path, st.Size(), st.ModTime(), sum})
	if err == nil {
		err = os.WriteFile(memo, append(data, '\n'), 0o640) // a torn one is made again
	}
	return sum, err
}

func hashOf(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// hash reads everything, and rests for as long as it works.
func hash(ctx context.Context, r io.Reader) (string, error) {
	h := sha256.New()
	for {
		began := time.Now()
		_, err := io.CopyN(h, r, hashPiece)
		switch {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return "", err
		}
		t := time.NewTimer(time.Since(began))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return "", ctx.Err()
		}
	}
}

// stateFile is a file in the service's own folder, "" when it has none.
func stateFile(name string) string {
	if state := os.Getenv("STATE_DIRECTORY"); filepath.IsAbs(state) {
		return filepath.Join(state, name)
	}
	return ""
}
