package packed

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// sample is a model file of three matrices, of which the second gains nothing
// by packing, and everything needed to use it.
type sample struct {
	path     string
	file     *gguf.File
	pool     *kernels.Pool
	matrices []*kernels.Matrix
}

func newSample(t *testing.T, seed uint64) *sample {
	t.Helper()
	s := &sample{path: filepath.Join(t.TempDir(), "model.gguf"), pool: kernels.NewPool(2)}
	t.Cleanup(s.pool.Close)
	s.write(t, seed)
	s.open(t)
	return s
}

// write writes the model file with random weights.
func (s *sample) write(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, seed))
	f, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	w := gguf.NewWriter(f)
	shapes := []struct {
		name string
		t    gguf.Type
		rows int
	}{{"a", gguf.Q4_0, 48}, {"b", gguf.F16, 16}, {"c", gguf.Q6_K, 37}}
	for _, m := range shapes {
		w.Declare(m.name, m.t, m.rows, 512)
	}
	for _, m := range shapes {
		elements, size := m.t.Block()
		data := make([]byte, m.rows*512/elements*size)
		for i := range data {
			data[i] = byte(r.Uint32()) & 0x3f // scales are ordinary numbers
		}
		w.Write(data)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// open opens the model file anew.
func (s *sample) open(t *testing.T) {
	t.Helper()
	f, err := gguf.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s.file, s.matrices = f, nil
	for _, tensor := range f.Tensors() {
		m, err := kernels.NewMatrix(tensor.Type, tensor.Rows(), tensor.Cols(), tensor.Data)
		if err != nil {
			t.Fatal(err)
		}
		s.matrices = append(s.matrices, m)
	}
}

// products multiplies each matrix with the same row.
func (s *sample) products() [][]float32 {
	x := make([]float32, 512)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	var out [][]float32
	for _, m := range s.matrices {
		y := make([]float32, m.Rows)
		s.pool.MatMul(x, 1, kernels.Product{Out: y, W: m})
		out = append(out, y)
	}
	return out
}

func (s *sample) packed() string { return s.path + ".packed" }

// use packs the matrices and checks that they give what the model file gives.
func (s *sample) use(t *testing.T, wantMade bool, why string) {
	t.Helper()
	s.open(t)
	if s.pool.PackFormat() == "" {
		t.Skip("a build without C kernels has no packed weights") // the format is theirs
	}
	want := s.products()
	f, err := Use(s.packed(), s.file, s.pool, s.matrices)
	if err != nil {
		t.Fatalf("%s: %v", why, err)
	}
	defer f.Close()
	if f.Made() != wantMade {
		t.Errorf("%s: made anew: %t, want %t", why, f.Made(), wantMade)
	}
	f.Forget()
	for i, got := range s.products() {
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s: matrix %d gives other products than before", why, i)
		}
	}
}

func TestUse(t *testing.T) {
	s := newSample(t, 1)
	s.use(t, true, "no file yet")
	s.use(t, false, "the same again")
	info, err := os.Stat(s.packed())
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(Bytes(s.pool, s.matrices)); info.Size() != want {
		t.Errorf("the file has %d bytes, Bytes says %d", info.Size(), want)
	}
	if _, err := os.Stat(s.packed() + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file in the making is still there: %v", err)
	}
}

func TestStaleFileIsMadeAnew(t *testing.T) {
	s := newSample(t, 1)
	s.use(t, true, "no file yet")
	s.write(t, 2)
	s.use(t, true, "the model has other weights")
	if err := os.Chtimes(s.path, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	s.use(t, true, "the model was written at another time")
	s.use(t, false, "nothing changed")
}

// A file of another processor or version differs in its identity or its head.
func TestDamagedFileIsMadeAnew(t *testing.T) {
	s := newSample(t, 1)
	s.use(t, true, "no file yet")
	whole, err := os.ReadFile(s.packed())
	if err != nil {
		t.Fatal(err)
	}
	l := layoutOf(s.pool, s.matrices)
	places := []int{l.start(), l.start() + 1000, len(whole) - page, len(whole) - 1}
	for i := range fixed + 4*l.chunks() + 4 {
		places = append(places, i)
	}
	for _, at := range places {
		torn := bytes.Clone(whole)
		torn[at] ^= 0x40
		s.replace(t, torn)
		s.use(t, true, "a bit is wrong")
	}
	for _, n := range []int{0, 1, fixed, page, l.start(), len(whole) - 1} {
		s.replace(t, whole[:n])
		s.use(t, true, "the file is cut short")
	}
	s.replace(t, append(bytes.Clone(whole), 0))
	s.use(t, true, "the file is too long")
	made, err := os.ReadFile(s.packed())
	if err != nil || !bytes.Equal(made, whole) {
		t.Errorf("the last file differs from the first (%v)", err)
	}
}

func (s *sample) replace(t *testing.T, content []byte) {
	t.Helper()
	if err := os.WriteFile(s.packed(), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A process that was killed leaves a file in the making.
func TestUnfinishedFileIsTakenOver(t *testing.T) {
	s := newSample(t, 1)
	if err := os.WriteFile(s.packed()+".tmp", make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	s.use(t, true, "another process was killed")
}

func TestOneProcessAtATimeWrites(t *testing.T) {
	s := newSample(t, 1)
	f, err := os.Create(s.packed() + ".tmp")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	s.fails(t, "another process")
}

func TestFullDisk(t *testing.T) {
	s := newSample(t, 1)
	folder := filepath.Join(t.TempDir(), "full")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=16k"); err != nil {
		t.Fatalf("a small file system cannot be mounted, which root can: %v", err)
	}
	defer unix.Unmount(folder, 0)
	_, err := Use(filepath.Join(folder, "model.packed"), s.file, s.pool, s.matrices)
	if !errors.Is(err, unix.ENOSPC) && len(s.pool.PackFormat()) > 0 {
		t.Errorf("the error is %v, want that of a full disk", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left on the full disk (%v)", left, err)
	}
}

func TestFolderIsMissing(t *testing.T) {
	s := newSample(t, 1)
	s.path = filepath.Join(filepath.Dir(s.path), "nowhere", "model.gguf")
	_, err := Use(s.packed(), s.file, s.pool, s.matrices)
	if err == nil {
		t.Error("weights were packed into a folder that is not there")
	}
}

// fails packs in vain and checks that the matrices still work.
func (s *sample) fails(t *testing.T, want string) {
	t.Helper()
	before := s.products()
	f, err := Use(s.packed(), s.file, s.pool, s.matrices)
	if s.pool.PackFormat() == "" {
		want = "nothing to pack"
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("the error is %v (file %v), want one with %q", err, f, want)
	}
	for i, got := range s.products() {
		if !slices.Equal(got, before[i]) {
			t.Errorf("matrix %d gives other products than before", i)
		}
	}
}

// The head of a file comes from a disk that may have lost power.
func FuzzHead(f *testing.F) {
	l := layout{size: 3*chunk + 1}
	good := append(l.head([32]byte{1}), make([]byte, 4*4+4)...)
	f.Add(good)
	f.Add(good[:fixed])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, head []byte) {
		sums, err := l.sums(head, [32]byte{1})
		if err == nil && len(sums) != l.chunks() {
			t.Errorf("%d checksums for %d chunks", len(sums), l.chunks())
		}
	})
}
