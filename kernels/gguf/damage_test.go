package gguf

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// raw builds files that the Writer refuses to write.
type raw []byte

func (b raw) u32(v ...uint32) raw {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

func (b raw) u64(v ...uint64) raw {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

func (b raw) text(s string) raw             { return append(b.u64(uint64(len(s))), s...) }
func (b raw) fill(n int) raw                { return append(b, make([]byte, n)...) }
func head(tensors, keys uint64) raw         { return append(raw(nil), magic...).u32(3).u64(tensors, keys) }
func (b raw) key(s string, k ...uint32) raw { return b.text(s).u32(k...) }

// tensor describes one; dims is innermost first, as stored.
func (b raw) tensor(name string, typ Type, offset uint64, dims ...uint64) raw {
	return b.text(name).u32(uint32(len(dims))).u64(dims...).u32(uint32(typ)).u64(offset)
}

// The table of damage is also the seed of FuzzParse.
var damaged = []struct {
	name string
	file raw
	want string
}{
	{"nothing", nil, "cut short"},
	{"magic", raw("GGUX").fill(20), `first four bytes are "GGUX"`},
	{"version 1", raw(magic).u32(1).fill(16), "version 1 is not supported"},
	{"version 9", raw(magic).u32(9).fill(16), "version 9 is not supported"},
	{"big-endian", append(raw(magic), 0, 0, 0, 3).fill(16), "big-endian"},
	{"head cut", raw(magic).u32(3).u64(1), "cut short"},
	{"many keys", head(0, math.MaxUint64), "18446744073709551615 keys do not fit"},
	{"many tensors", head(math.MaxUint64, 0), "18446744073709551615 tensors do not fit"},
	{"key over the end", head(0, 1).u64(1 << 62).fill(40), "key 0 of 1: the file is cut short"},
	{"key twice", head(0, 2).key("a", kindUint32).u32(1).key("a", kindUint32).u32(1), `key "a" occurs twice`},
	{"unknown kind", head(0, 1).key("a", 13).u32(1), `key "a": has a value of unknown kind 13`},
	{"string over the end", head(0, 1).key("a", kindString).u64(9).fill(8), `key "a": the file is cut short`},
	{"number cut", head(0, 1).key("a", kindUint64).u32(1), `key "a": the file is cut short`},
	{"array of arrays", head(0, 1).key("a", kindArray, kindArray).u64(1).fill(30), `key "a": is an array of array`},
	{"array of unknown", head(0, 1).key("a", kindArray, 99).u64(1).fill(30), `key "a": is an array of kind 99`},
	{"array too long", head(0, 1).key("a", kindArray, kindUint8).u64(31).fill(30), `key "a": the file is cut short`},
	{"array overflows", head(0, 1).key("a", kindArray, kindUint64).u64(1 << 61).fill(30), `no file can hold`},
	{"array of too many strings", head(0, 1).key("a", kindArray, kindString).u64(1 << 60).fill(30), `1152921504606846976 strings does not fit`},
	{"array with a string over the end", head(0, 1).key("a", kindArray, kindString).u64(2).text("x").u64(1 << 40), `key "a": string 1 of 2`},
	{"alignment 3", head(0, 1).key(alignmentKey, kindUint32).u32(3), "3 is not a power of two"},
	{"alignment 0", head(0, 1).key(alignmentKey, kindUint32).u32(0), "0 is not a power of two"},
	{"alignment negative", head(0, 1).key(alignmentKey, kindInt32).u32(0x80000000), "is not a power of two"},
	{"alignment beyond the end", head(1, 1).key(alignmentKey, kindUint64).u64(1<<62).tensor("t", F32, 0, 1).fill(64), "ends before the data"},
	{"alignment of text", head(0, 1).key(alignmentKey, kindString).text("x"), "should be a whole number"},
	{"tensor name over the end", head(1, 0).u64(99).fill(30), "tensor 0 of 1: the file is cut short"},
	{"tensor twice", head(2, 0).tensor("t", F32, 0, 1).tensor("t", F32, 0, 1).fill(64), `tensor "t" occurs twice`},
	{"five dimensions", head(1, 0).tensor("t", F32, 0, 1, 1, 1, 1, 1).fill(64), `tensor "t": has 5 dimensions`},
	{"dimension 0", head(1, 0).tensor("t", F32, 0, 4, 0).fill(64), `tensor "t": dimension 1 is 0`},
	{"dimension huge", head(1, 0).tensor("t", F32, 0, 1<<63).fill(64), `tensor "t": dimension 0 is 9223372036854775808`},
	{"dimension cut", head(1, 0).text("t").u32(2).u64(1).u32(1), `tensor "t": the file is cut short`},
	{"unknown type", head(1, 0).tensor("t", 5, 0, 32).fill(64), `tensor "t": is stored as type 5, which is not supported`},
	{"part of a block", head(1, 0).tensor("t", Q4_K, 0, 255).fill(512), `tensor "t": has rows of 255 numbers, and Q4_K needs a multiple of 256`},
	{"bytes overflow", head(1, 0).tensor("t", F32, 0, 1<<61, 2).fill(64), "no file can hold"},
	{"elements overflow", head(1, 0).tensor("t", Q2_K, 0, 1<<62, 3).fill(64), "no file can hold"},
	{"offset cut", head(1, 0).text("t").u32(1).u64(1).u32(0).u32(0), `tensor "t": the file is cut short`},
	{"offset unaligned", head(1, 0).tensor("t", F32, 4, 1).fill(96), `tensor "t": offset 4 is not a multiple of 32`},
	{"offset beyond the end", head(1, 0).tensor("t", F32, 1<<40, 1).fill(96), `tensor "t": the file is cut short`},
	{"offset overflows", head(1, 0).tensor("t", F32, math.MaxUint64-31, 1).fill(96), `tensor "t": the file is cut short`},
	{"data cut", head(1, 0).tensor("t", F32, 0, 64).fill(200), `tensor "t": the file is cut short: the tensor needs 256 bytes`},
}

func TestDamaged(t *testing.T) {
	for _, c := range damaged {
		_, err := Parse("m.gguf", c.file)
		if !errors.Is(err, ErrFormat) || !strings.HasPrefix(err.Error(), "m.gguf: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want m.gguf: ... %s", c.name, err, c.want)
		}
	}
}

// TestCutAnywhere cuts a good file at every length.
func TestCutAnywhere(t *testing.T) {
	whole := sample(t)
	f, err := Parse("m", whole)
	if err != nil {
		t.Fatal(err)
	}
	last := f.Tensors()[3]
	end := len(whole) - padding(len(last.Data)) // the padding at the end may be missing
	for n := range whole {
		_, err := Parse("m", whole[:n])
		if (err == nil) != (n >= end) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestScalarAndVersion2(t *testing.T) {
	b := head(1, 1).key(alignmentKey, kindUint32).u32(8).text("t").u32(0).u32(uint32(F32)).u64(0)
	b = b.fill(-len(b) & 7).u32(math.Float32bits(2))
	b[4] = 2
	f, err := Parse("m", b)
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Tensor("t")
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.Floats()
	if err != nil || f.Version() != 2 || x.Is(1) != nil || got[0] != 2 {
		t.Errorf("version %d, shape %v, %v, %v", f.Version(), x.Shape, got, err)
	}
}

func TestWriterErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		use        func(w *Writer)
	}{
		{"key twice", `key "a" is written twice`, func(w *Writer) { w.Put("a", 1); w.Put("a", 2) }},
		{"bad value", `key "a": a struct {} cannot be stored`, func(w *Writer) { w.Put("a", struct{}{}) }},
		{"alignment", "always aligns to 32", func(w *Writer) { w.Put(alignmentKey, uint32(64)) }},
		{"tensor twice", `tensor "t": is declared twice`, func(w *Writer) { w.Declare("t", F32, 1); w.Declare("t", F32, 1) }},
		{"no dimension", "has 0 dimensions", func(w *Writer) { w.Declare("t", F32) }},
		{"dimension 0", "has shape [0]", func(w *Writer) { w.Declare("t", F32, 0) }},
		{"part of a block", "needs a multiple of 32", func(w *Writer) { w.Declare("t", Q4_0, 2, 31) }},
		{"late key", "comes after tensor data", func(w *Writer) { w.Declare("t", F32, 1); w.Write(nil); w.Put("a", 1) }},
		{"late tensor", "is declared after tensor data", func(w *Writer) { w.Declare("t", F32, 1); w.Write(nil); w.Declare("u", F32, 1) }},
		{"too little", "tensor 1 of 1 has 3 of 4 bytes", func(w *Writer) { w.Declare("t", F32, 1); w.Write(make([]byte, 3)) }},
		{"too much", "1 bytes were written after the last tensor", func(w *Writer) { w.Declare("t", F32, 1); w.Write(make([]byte, 5)) }},
	} {
		w := NewWriter(io.Discard)
		c.use(w)
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	for _, c := range damaged {
		f.Add([]byte(c.file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("fuzz", data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		// Everything that was accepted can be read to the end.
		for _, key := range file.Keys() {
			v := file.meta[key]
			switch {
			case v.array && v.kind == kindString:
				if s, err := file.Strings(key); err != nil || len(s) != v.count {
					t.Fatal(key, err)
				}
			case v.array:
				file.Ints(key)
				file.Floats(key)
				file.Bools(key)
			default:
				file.String(key)
				file.Float(key)
				file.Bool(key)
			}
		}
		for _, x := range file.Tensors() {
			if x.Rows()*x.Cols() != x.Elements() || x.Elements() <= 0 {
				t.Fatal(x.Name, x.Shape)
			}
			if got, err := x.Floats(); err == nil && len(got) != x.Elements() {
				t.Fatal(x.Name, x.Shape, len(got))
			}
		}
	})
}
