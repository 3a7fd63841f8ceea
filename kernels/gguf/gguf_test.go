package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sample is a file with every kind of value and a few tensors.
func sample(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, kv := range sampleValues {
		w.Put(kv.key, kv.value)
	}
	w.Declare("norm", F32, 3)
	w.Declare("half", F16, 2, 4)
	w.Declare("brain", BF16, 1, 2)
	w.Declare("quant", Q8_0, 5, 64)
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5))
	data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(math.Inf(-1))))
	data = binary.LittleEndian.AppendUint32(data, math.Float32bits(-0.25))
	// 1, -2, the largest, the smallest normal, the smallest subnormal, -0, infinity, NaN
	for _, h := range []uint16{0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0x7e00} {
		data = binary.LittleEndian.AppendUint16(data, h)
	}
	data = append(data, 0x80, 0x3f, 0x00, 0xc0) // 1, -2
	for i := range 5 * 2 * 34 {
		data = append(data, byte(i))
	}
	for _, part := range [][]byte{data[:1], data[1:20], data[20:]} { // pieces need not fit the tensors
		if n, err := w.Write(part); n != len(part) || err != nil {
			tb.Fatal(n, err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

var sampleValues = []struct {
	key   string
	value any
}{
	{"s", "text with \x00 and ü"}, {"empty", ""}, {"yes", true}, {"no", false},
	{"u8", uint8(200)}, {"i8", int8(-7)}, {"u16", uint16(60000)}, {"i16", int16(-300)},
	{"u32", uint32(4e9)}, {"i32", int32(-5)}, {"u64", uint64(1 << 40)}, {"i64", int64(-1 << 40)}, {"int", 42},
	{"huge", uint64(math.MaxUint64)},
	{"f32", float32(0.5)}, {"f64", 1e300},
	{"strings", []string{"a", "", "ccc"}}, {"bools", []bool{true, false}},
	{"i32s", []int32{1, -2, 3}}, {"u8s", []uint8{9}}, {"f32s", []float32{1, 2.5}}, {"none", []float64{}},
}

func parsed(t *testing.T) *File {
	t.Helper()
	f, err := Parse("sample.gguf", sample(t))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestValues(t *testing.T) {
	f := parsed(t)
	check := func(what string, want any) func(got any, err error) {
		return func(got any, err error) {
			t.Helper()
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s = %v, %v; want %v", what, got, err, want)
			}
		}
	}
	s := func(v string, err error) (any, error) { return v, err }
	check("s", "text with \x00 and ü")(s(f.String("s")))
	check("empty", "")(s(f.String("empty")))
	check("default", "x")(s(f.StringOr("absent", "x")))
	for key, want := range map[string]int{"u8": 200, "i8": -7, "u16": 60000, "i16": -300, "u32": 4e9, "i32": -5, "u64": 1 << 40, "i64": -1 << 40, "int": 42} {
		got, err := f.Int(key)
		check(key, want)(got, err)
		asFloat, err := f.Float(key)
		check(key, float64(want))(asFloat, err)
	}
	for key, want := range map[string]float64{"f32": 0.5, "f64": 1e300} {
		got, err := f.Float(key)
		check(key, want)(got, err)
	}
	yes, err := f.Bool("yes")
	check("yes", true)(yes, err)
	no, err := f.BoolOr("no", true)
	check("no", false)(no, err)
	missing, err := f.BoolOr("absent", true)
	check("absent", true)(missing, err)
	number, err := f.IntOr("absent", 7)
	check("absent", 7)(number, err)
	float, err := f.FloatOr("absent", 7.5)
	check("absent", 7.5)(float, err)
	texts, err := f.Strings("strings")
	check("strings", []string{"a", "", "ccc"})(texts, err)
	bools, err := f.Bools("bools")
	check("bools", []bool{true, false})(bools, err)
	ints, err := f.Ints("i32s")
	check("i32s", []int{1, -2, 3})(ints, err)
	ints, err = f.IntEach("i32s", 3)
	check("i32s", []int{1, -2, 3})(ints, err)
	ints, err = f.IntEach("i32", 2)
	check("i32", []int{-5, -5})(ints, err)
	floats, err := f.Floats("f32s")
	check("f32s", []float64{1, 2.5})(floats, err)
	floats, err = f.Floats("none")
	check("none", []float64{})(floats, err)
	if !f.Has("yes") || f.Has("absent") {
		t.Error("Has is wrong")
	}
	if got := len(f.Keys()); got != len(sampleValues) || f.Keys()[0] != "s" {
		t.Errorf("%d keys: %v", got, f.Keys())
	}
}

func TestValueErrors(t *testing.T) {
	f := parsed(t)
	e := func(_ any, err error) error { return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{e(f.String("absent")), `sample.gguf: key "absent" is missing`},
		{e(f.String("u8")), `sample.gguf: key "u8" is uint8 and should be a string`},
		{e(f.Int("s")), `key "s" is string and should be a whole number`},
		{e(f.Int("f32")), `key "f32" is float32 and should be a whole number`},
		{e(f.Int("huge")), `key "huge": 18446744073709551615 is too large`},
		{e(f.Int("i32s")), `key "i32s" is an array of 3 int32 and should be a whole number`},
		{e(f.IntOr("s", 1)), `should be a whole number`},
		{e(f.Float("yes")), `key "yes" is bool and should be a number`},
		{e(f.Bool("u8")), `key "u8" is uint8 and should be a bool`},
		{e(f.Strings("s")), `key "s" is string and should be an array of strings`},
		{e(f.Strings("i32s")), `should be an array of strings`},
		{e(f.Ints("strings")), `key "strings" is an array of 3 string and should be an array of whole numbers`},
		{e(f.Ints("bools")), `should be a whole number`},
		{e(f.Bools("u8s")), `should be a bool`},
		{e(f.IntEach("i32s", 4)), `key "i32s" has 3 numbers and should have 4`},
		{e(f.IntEach("s", 4)), `should be a whole number`},
		{e(f.IntEach("absent", 4)), `is missing`},
		{e(f.Tensor("absent")), `sample.gguf: tensor "absent" is missing`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error %v, want %s", c.err, c.want)
		}
	}
	if _, err := f.Int("absent"); !errors.Is(err, ErrMissing) {
		t.Errorf("%v does not wrap ErrMissing", err)
	}
}

func TestTensors(t *testing.T) {
	f := parsed(t)
	var names []string
	for _, x := range f.Tensors() {
		names = append(names, x.Name)
	}
	if want := []string{"norm", "half", "brain", "quant"}; !slices.Equal(names, want) {
		t.Errorf("tensors %v, want %v", names, want)
	}
	q, err := f.Tensor("quant")
	if err != nil {
		t.Fatal(err)
	}
	if q.Type != Q8_0 || q.Rows() != 5 || q.Cols() != 64 || q.Elements() != 320 || len(q.Data) != 340 || q.Data[339] != 339%256 {
		t.Errorf("quant is %v %v with %d bytes", q.Type, q.Shape, len(q.Data))
	}
	if err := q.Is(5, 64); err != nil {
		t.Error(err)
	}
	if err := q.Is(64, 5); err == nil || !strings.Contains(err.Error(), `tensor "quant" has shape [5 64] and should have [64 5]`) {
		t.Errorf("error %v", err)
	}
	if _, err := q.Floats(); err == nil || !strings.Contains(err.Error(), "is stored as Q8_0") {
		t.Errorf("error %v", err)
	}
	inf := float32(math.Inf(1))
	for name, want := range map[string][]float32{
		"norm":  {1.5, -inf, -0.25},
		"half":  {1, -2, 65504, 1.0 / (1 << 14), 1.0 / (1 << 24), float32(math.Copysign(0, -1)), inf, float32(math.NaN())},
		"brain": {1, -2},
	} {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := x.Floats()
		if err != nil || !slices.EqualFunc(got, want, func(a, b float32) bool {
			return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
		}) {
			t.Errorf("%s = %v, %v; want %v", name, got, err, want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	if err := os.WriteFile(path, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name() != path || f.Version() != 3 || f.Size() == 0 || !f.HasTensor("half") {
		t.Errorf("%s, version %d, %d bytes", f.Name(), f.Version(), f.Size())
	}
	text, err := f.String("s")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if text != sampleValues[0].value { // strings outlive the mapping
		t.Error("the text changed")
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if f.Has("s") || len(f.Tensors()) != 0 {
		t.Error("a closed file still has contents")
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for _, path := range []string{dir, write("empty", nil), write("text.gguf", []byte("hello, this is no model"))} {
		mappings := mapped(t, path)
		_, err := Open(path)
		if !errors.Is(err, ErrFormat) || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v", path, err)
		}
		if got := mapped(t, path); got != mappings {
			t.Errorf("%s: a failed Open leaves %d mappings", path, got-mappings)
		}
	}
}

// mapped counts the mappings of a file in this process.
func mapped(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), path)
}
