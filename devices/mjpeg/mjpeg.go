// Package mjpeg knows what cameras send as motion JPEG: JPEG pictures (ITU-T
// T.81) of which some leave out the usual Huffman tables, as the AVI form of
// motion JPEG allows, or the mark of the end.
//
// [Thumb] reads a small grey picture out of a JPEG for a fraction of what
// decoding costs. [Complete] makes a JPEG that every decoder reads.
package mjpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// JPEG markers.
const (
	markerSOF0 = 0xc0 // baseline
	markerSOF1 = 0xc1 // extended, with Huffman codes
	markerSOF2 = 0xc2 // progressive; SOF3..SOF15 but for DHT, JPG and DAC are rarer still
	markerDHT  = 0xc4
	markerJPG  = 0xc8
	markerDAC  = 0xcc
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDRI  = 0xdd
	markerAPPE = 0xee
)

var (
	errNone  = errors.New("the picture has no JPEG in it")
	errCut   = errors.New("the JPEG is cut off")
	errEarly = errors.New("the JPEG ends before its picture begins")
)

// begin returns b from the start of its picture; some drivers put padding
// before it.
func begin(b []byte) ([]byte, error) {
	start := bytes.Index(b, []byte{0xff, markerSOI})
	if start < 0 {
		return nil, errNone
	}
	return b[start:], nil
}

// segment returns the segment that begins at byte number at, and where the next
// one begins. Fill bytes are a segment of their own, with marker 0xff.
func segment(b []byte, at int) (marker byte, body []byte, next int, err error) {
	switch {
	case at+2 > len(b):
		return 0, nil, 0, errCut
	case b[at] != 0xff:
		return 0, nil, 0, fmt.Errorf("the JPEG is damaged at byte %d", at)
	}
	switch marker = b[at+1]; marker {
	case 0xff:
		return marker, nil, at + 1, nil
	case markerEOI:
		return 0, nil, 0, errEarly
	}
	if at+4 > len(b) {
		return 0, nil, 0, errCut
	}
	size := int(binary.BigEndian.Uint16(b[at+2:]))
	switch {
	case size < 2:
		return 0, nil, 0, fmt.Errorf("the JPEG is damaged at byte %d", at)
	case at+2+size > len(b):
		return 0, nil, 0, errCut
	}
	return marker, b[at+4 : at+2+size], at + 2 + size, nil
}

// Complete returns the JPEG b with Huffman tables and an end. It never writes
// to b; what it returns may share its bytes.
func Complete(b []byte) ([]byte, error) {
	b, err := begin(b)
	if err != nil {
		return nil, err
	}
	for at := 2; ; {
		marker, _, next, err := segment(b, at)
		switch {
		case err != nil:
			return nil, err
		case marker == markerDHT:
			return append(b[:len(b):len(b)], 0xff, markerEOI), nil
		case marker == markerSOS:
			return slices.Concat(b[:at], usualTables(), b[at:], []byte{0xff, markerEOI}), nil
		}
		at = next
	}
}

// table is a Huffman table as a file has it: how many codes there are of
// 1..16 bits, and their values.
type table struct {
	counts [16]byte
	values []byte
}

// usual are the tables of T.81, Annex K.3, by class (DC, AC) and number
// (luminance, chrominance).
func usual() [2][2]table {
	dc := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	return [2][2]table{
		{
			{[16]byte{0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, dc},
			{[16]byte{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, dc},
		},
		{
			{[16]byte{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d}, lumaAC()},
			{[16]byte{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77}, chromaAC()},
		},
	}
}

// usualTables is the segment that defines the usual tables.
func usualTables() []byte {
	var body []byte
	for class, tables := range usual() {
		for number, t := range tables {
			body = append(body, byte(class<<4|number))
			body = append(body, t.counts[:]...)
			body = append(body, t.values...)
		}
	}
	head := binary.BigEndian.AppendUint16([]byte{0xff, markerDHT}, uint16(2+len(body)))
	return append(head, body...)
}
