package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// file builds a file with any header, as numpy.save would.
func file(version byte, text string, data ...byte) []byte {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	}
	return append(append(b, text...), data...)
}

func array(descr, shape string, data ...byte) []byte {
	return file(1, fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape), data...)
}

var good = []struct {
	name  string
	file  []byte
	shape []int
	want  []float32
}{
	{"f2", array("<f2", "(2, 4)", 0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x80, 0x00, 0x7c, 0x00, 0xfc, 0x00, 0x7e),
		[]int{2, 4}, []float32{1, -2, 65504, 1.0 / (1 << 24), float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}},
	{"f4", array("<f4", "(1,)", 0, 0, 0xc0, 0x3f), []int{1}, []float32{1.5}},
	{"f8", array("<f8", "()", 0, 0, 0, 0, 0, 0, 0xf8, 0xbf), []int{}, []float32{-1.5}},
	{"u1", array("|u1", "(3,)", 0, 7, 255), []int{3}, []float32{0, 7, 255}},
	{"i4", array("<i4", "(2,)", 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0), []int{2}, []float32{-1, 1}},
	{"i8", array("<i8", "(1, 1)", 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), []int{1, 1}, []float32{-2}},
	{"none", array("<f4", "(0, 5)"), []int{0, 5}, []float32{}},
	{"version 2", file(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", 9), []int{1}, []float32{9}},
	{"other order", file(1, `{"shape":(1,),"fortran_order":False,"descr":"|u1"}`, 9), []int{1}, []float32{9}},
}

var bad = []struct {
	name string
	file []byte
	want string
}{
	{"nothing", nil, "does not begin with"},
	{"text", []byte("hello, world, this is text"), "does not begin with"},
	{"version 3", append([]byte(magic), 3, 0, 0, 0, 0, 0), "version 3 is not supported"},
	{"header cut", append([]byte(magic), 1, 0, 200, 0, '{'), "cut short in its header"},
	{"header cut in version 2", append([]byte(magic), 2, 0, 200, 0), "cut short in its header"},
	{"header huge", append([]byte(magic), 2, 0, 255, 255, 255, 255, '{'), "cut short in its header"},
	{"no dictionary", file(1, "hello"), "not a dictionary"},
	{"no colon", file(1, "{'descr' '<f4'}"), "lacks a colon"},
	{"no comma", file(1, "{'descr': '<f4' 'shape': ()}"), "lacks a comma"},
	{"no end", file(1, "{'descr': '<f4', "), "quoted word"},
	{"fields", file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}"), "quoted word"},
	{"key twice", file(1, "{'descr': '<f4', 'descr': '<f4'}"), `"descr" twice`},
	{"unknown key", file(1, "{'size': '<f4'}"), `unknown key "size"`},
	{"no shape", file(1, "{'descr': '<f4', 'fortran_order': False}"), `lacks "shape"`},
	{"more", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)} x"), "something after"},
	{"maybe", file(1, "{'fortran_order': Maybe}"), "neither True nor False"},
	{"fortran", file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (0,)}"), "Fortran order"},
	{"big-endian", array(">f4", "(1,)", 0, 0, 0, 0), `type ">f4"`},
	{"objects", array("|O", "(1,)", 0, 0, 0, 0), `type "|O"`},
	{"negative", array("<f4", "(-1,)"), "whole numbers in parentheses"},
	{"list", array("<f4", "[1]"), "whole numbers in parentheses"},
	{"huge number", array("<f4", "(99999999999999999999,)"), "whole numbers in parentheses"},
	{"huge product", array("<f4", "(4294967296, 4294967296)"), "too large"},
	{"huge size", array("<f8", "(4611686018427387904,)"), "too large"},
	{"many dimensions", array("<f4", "("+strings.Repeat("1,", 65)+")", 0, 0, 0, 0), "whole numbers in parentheses"},
	{"data cut", array("<f4", "(2,)", 0, 0, 0, 0), "needs 8 bytes of data and there are 4"},
	{"data over", array("|u1", "(1,)", 0, 0), "needs 1 bytes of data and there are 2"},
	{"not exact in 32 bits", array("<i4", "(1,)", 1, 0, 0, 1), "number 0 is 16777217"},
	{"not exact", array("<i8", "(1,)", 0, 0, 0, 0, 0, 0, 0, 0x40), "cannot hold exactly"},
}

func TestParse(t *testing.T) {
	for _, c := range good {
		a, err := Parse(c.file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(a.Shape, c.shape) || !slices.EqualFunc(a.Data, c.want, same) {
			t.Errorf("%s: %v %v, want %v %v", c.name, a.Shape, a.Data, c.shape, c.want)
		}
	}
	for _, c := range bad {
		_, err := Parse(c.file)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

// same compares bit for bit but takes any NaN for any other.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func TestWriteAndRead(t *testing.T) {
	dir := t.TempDir()
	for i, shape := range [][]int{{}, {3}, {2, 3}, {0}, {1, 1, 1, 2}} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		values := make([]float32, n)
		for j := range values {
			values[j] = float32(j) - 0.1
		}
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := WriteFile(path, shape, values); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || (info.Size()-int64(4*n))%64 != 0 {
			t.Errorf("shape %v: the data is not aligned: %d bytes, %v", shape, info.Size(), err)
		}
		a, err := ReadFile(path)
		if err != nil || !slices.Equal(a.Shape, shape) || !slices.Equal(a.Data, values) {
			t.Errorf("shape %v: %v, %v", shape, a, err)
		}
	}
	if err := WriteFile(filepath.Join(dir, "x"), []int{2}, make([]float32, 3)); err == nil || !strings.Contains(err.Error(), "shape [2] does not fit 3 values") {
		t.Errorf("error %v", err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	broken := filepath.Join(dir, "broken.npy")
	if err := os.WriteFile(broken, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(broken); !errors.Is(err, ErrFormat) || !strings.HasPrefix(err.Error(), broken+": ") {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add(c.file)
	}
	for _, c := range bad {
		f.Add(c.file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if n != len(a.Data) {
			t.Fatal(a.Shape, len(a.Data))
		}
		again, err := Append(nil, a.Shape, a.Data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatal(err)
		}
	})
}
