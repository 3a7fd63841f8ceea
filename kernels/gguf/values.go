package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMissing is wrapped by the getters' errors when the file lacks the key or
// the tensor.
var ErrMissing = errors.New("is missing")

// Keys returns the keys of the metadata in file order.
func (f *File) Keys() []string { return append([]string(nil), f.keys...) }

// Has says whether the metadata has the key.
func (f *File) Has(key string) bool { _, ok := f.meta[key]; return ok }

// String returns a text.
func (f *File) String(key string) (string, error) {
	v, err := f.scalar(key, "a string")
	if err != nil {
		return "", err
	}
	if v.kind != kindString {
		return "", f.mismatch(key, v, "a string")
	}
	return string(v.raw), nil
}

// Int returns a whole number of any width that fits an int.
func (f *File) Int(key string) (int, error) {
	v, err := f.scalar(key, "a whole number")
	if err != nil {
		return 0, err
	}
	return f.integer(key, v, v.raw)
}

// Float returns a number; whole numbers count too.
func (f *File) Float(key string) (float64, error) {
	v, err := f.scalar(key, "a number")
	if err != nil {
		return 0, err
	}
	return f.float(key, v, v.raw)
}

// Bool returns a truth value.
func (f *File) Bool(key string) (bool, error) {
	v, err := f.scalar(key, "a bool")
	if err != nil {
		return false, err
	}
	return f.truth(key, v, v.raw)
}

// StringOr is String with a default for a missing key. Like its siblings it
// still returns an error for a value of another kind.
func (f *File) StringOr(key, missing string) (string, error) {
	return or(f, key, missing, f.String)
}

// IntOr is Int with a default for a missing key.
func (f *File) IntOr(key string, missing int) (int, error) { return or(f, key, missing, f.Int) }

// FloatOr is Float with a default for a missing key.
func (f *File) FloatOr(key string, missing float64) (float64, error) {
	return or(f, key, missing, f.Float)
}

// BoolOr is Bool with a default for a missing key.
func (f *File) BoolOr(key string, missing bool) (bool, error) { return or(f, key, missing, f.Bool) }

func or[T any](f *File, key string, missing T, get func(string) (T, error)) (T, error) {
	if !f.Has(key) {
		return missing, nil
	}
	return get(key)
}

// Strings returns an array of texts.
func (f *File) Strings(key string) ([]string, error) {
	v, err := f.array(key, "strings")
	if err != nil {
		return nil, err
	}
	if v.kind != kindString {
		return nil, f.mismatch(key, v, "an array of strings")
	}
	// One copy holds the bytes of all of them: a vocabulary has 262144.
	all := string(v.raw)
	out := make([]string, v.count)
	at := 0
	for i := range out {
		n := int(binary.LittleEndian.Uint64(v.raw[at:]))
		at += 8
		out[i] = all[at : at+n]
		at += n
	}
	return out, nil
}

// Ints returns an array of whole numbers of any width that fit an int.
func (f *File) Ints(key string) ([]int, error) { return list(f, key, "whole numbers", f.integer) }

// Floats returns an array of numbers; whole numbers count too.
func (f *File) Floats(key string) ([]float64, error) { return list(f, key, "numbers", f.float) }

// Bools returns an array of truth values.
func (f *File) Bools(key string) ([]bool, error) { return list(f, key, "bools", f.truth) }

// IntEach returns n whole numbers, one for each layer say: an array of that
// length, or one number that holds for all.
func (f *File) IntEach(key string, n int) ([]int, error) {
	if v, ok := f.meta[key]; ok && !v.array {
		one, err := f.Int(key)
		if err != nil {
			return nil, err
		}
		out := make([]int, n)
		for i := range out {
			out[i] = one
		}
		return out, nil
	}
	out, err := f.Ints(key)
	if err == nil && len(out) != n {
		err = fmt.Errorf("%s: key %q has %d numbers and should have %d", f.name, key, len(out), n)
	}
	return out, err
}

func list[T any](f *File, key, want string, decode func(string, value, []byte) (T, error)) ([]T, error) {
	v, err := f.array(key, want)
	if err != nil {
		return nil, err
	}
	step := kindSize(v.kind)
	if step == 0 {
		return nil, f.mismatch(key, v, "an array of "+want)
	}
	out := make([]T, v.count)
	for i := range out {
		if out[i], err = decode(key, v, v.raw[i*step:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *File) lookup(key string) (value, error) {
	v, ok := f.meta[key]
	if !ok {
		return value{}, fmt.Errorf("%s: key %q %w", f.name, key, ErrMissing)
	}
	return v, nil
}

func (f *File) scalar(key, want string) (value, error) {
	v, err := f.lookup(key)
	if err == nil && v.array {
		err = f.mismatch(key, v, want)
	}
	return v, err
}

func (f *File) array(key, want string) (value, error) {
	v, err := f.lookup(key)
	if err == nil && !v.array {
		err = f.mismatch(key, v, "an array of "+want)
	}
	return v, err
}

func (f *File) mismatch(key string, v value, want string) error {
	return fmt.Errorf("%s: key %q is %s and should be %s", f.name, key, v.describe(), want)
}

// integer decodes a whole number of v's kind from the front of b.
func (f *File) integer(key string, v value, b []byte) (int, error) {
	var n int64
	switch v.kind {
	case kindUint8:
		n = int64(b[0])
	case kindInt8:
		n = int64(int8(b[0]))
	case kindUint16:
		n = int64(binary.LittleEndian.Uint16(b))
	case kindInt16:
		n = int64(int16(binary.LittleEndian.Uint16(b)))
	case kindUint32:
		n = int64(binary.LittleEndian.Uint32(b))
	case kindInt32:
		n = int64(int32(binary.LittleEndian.Uint32(b)))
	case kindUint64, kindInt64:
		u := binary.LittleEndian.Uint64(b)
		if v.kind == kindUint64 && u > math.MaxInt64 {
			return 0, fmt.Errorf("%s: key %q: %d is too large", f.name, key, u)
		}
		n = int64(u)
	default:
		return 0, f.mismatch(key, v, "a whole number")
	}
	if n < math.MinInt || n > math.MaxInt {
		return 0, fmt.Errorf("%s: key %q: %d is too large", f.name, key, n)
	}
	return int(n), nil
}

// float decodes a number of v's kind from the front of b.
func (f *File) float(key string, v value, b []byte) (float64, error) {
	switch v.kind {
	case kindFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), nil
	case kindFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	case kindBool, kindString:
		return 0, f.mismatch(key, v, "a number")
	}
	n, err := f.integer(key, v, b)
	return float64(n), err
}

// truth decodes a bool from the front of b.
func (f *File) truth(key string, v value, b []byte) (bool, error) {
	if v.kind != kindBool {
		return false, f.mismatch(key, v, "a bool")
	}
	if b[0] > 1 {
		return false, fmt.Errorf("%s: key %q: a bool is 0 or 1, not %d", f.name, key, b[0])
	}
	return b[0] == 1, nil
}
