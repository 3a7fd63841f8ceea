package gemma4

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/deploy/models/tiny"
	"sensed/kernels"
	"sensed/kernels/gguf"
)

// bundledOnDisk writes the bundled model to a folder of the test.
func bundledOnDisk(t *testing.T) (text, projector string) {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{tiny.Text, tiny.Projector} {
		if err := os.WriteFile(filepath.Join(folder, name), readBundled(t, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, tiny.Text), filepath.Join(folder, tiny.Projector)
}

// outputs are what a model makes of some words, a picture and a sound.
func outputs(t *testing.T, m *Model) [3][]float32 {
	t.Helper()
	logits, err := m.Logits(context.Background(), []int{2, 17, 40, 9, 301, 4, 77, 5, 300, 12})
	if err != nil {
		t.Fatal(err)
	}
	picture, err := m.EncodeImage(context.Background(), bundledImage(t, "scene0.png"), 70)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]float32, 20000)
	for i := range noise {
		noise[i] = float32(i*i%1000)/1000 - 0.5
	}
	sound, err := m.EncodeAudio(context.Background(), noise)
	if err != nil {
		t.Fatal(err)
	}
	return [3][]float32{logits, picture, sound}
}

func TestPackedModelGivesTheSame(t *testing.T) {
	text, projector := bundledOnDisk(t)
	var want [3][]float32
	for i, o := range []Options{{Packed: NoPacking}, {packSmall: true}, {packSmall: true}, {packSmall: true, Threads: 1}} {
		var log bytes.Buffer
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		m, err := Open(text, projector, o)
		if err != nil {
			t.Fatal(err)
		}
		got := outputs(t, m)
		if i == 0 {
			want = got
		}
		for j := range got {
			if !slices.Equal(got[j], want[j]) {
				t.Errorf("model %d: output %d differs from that of the model as it is", i, j)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if made := strings.Count(log.String(), "were packed"); i > 0 && packs(t) && made != map[bool]int{true: 2, false: 0}[i == 1] {
			t.Errorf("model %d: %d files were packed:\n%s", i, made, log.String())
		}
	}
}

// packs says whether the kernels in use have packed weights of the encoding of
// the bundled model.
func packs(t *testing.T) bool {
	t.Helper()
	p := kernels.NewPool(1)
	defer p.Close()
	m, err := kernels.NewMatrix(gguf.Q8_0, 16, 32, make([]byte, 16*34))
	if err != nil {
		t.Fatal(err)
	}
	return p.PackedBytes(m) > 0
}

func TestModelIsNotPackedWhereItGainsNothing(t *testing.T) {
	text, projector := bundledOnDisk(t)
	for _, o := range []Options{{}, {packSmall: true, Exact: true}, {packSmall: true, Packed: NoPacking}} {
		m, err := Open(text, projector, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(text + ".packed"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: there is a packed file (%v)", o, err)
		}
	}
}

func TestModelWorksWhereNothingCanBeWritten(t *testing.T) {
	if !packs(t) {
		return
	}
	text, projector := bundledOnDisk(t)
	var log bytes.Buffer
	m, err := Open(text, projector, Options{packSmall: true, Packed: filepath.Join(t.TempDir(), "nowhere"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	outputs(t, m)
	if !strings.Contains(log.String(), "cannot be packed") || !strings.Contains(log.String(), "nowhere") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}
