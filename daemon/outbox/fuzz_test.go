package outbox

import (
	"bytes"
	"testing"
)

// image makes a segment of some messages and one acknowledgement.
func image(base uint64, bodies ...string) []byte {
	b := appendHeader(nil, base, base-1)
	for i, body := range bodies {
		b = appendRecord(b, base, head{number: base + uint64(i), time: clockFloor + 1, kind: kindMessage, priority: Priority(i%3 - 1)}, []byte(body))
	}
	return appendRecord(b, base, head{number: base, kind: kindAck}, nil)
}

// FuzzScan reads segments made of anything. Whatever scan calls a record must
// be one, and records and damage must cover the bytes without overlap.
func FuzzScan(f *testing.F) {
	whole := image(7, "one", "two", "", "four")
	f.Add(whole, uint64(7))
	f.Add(whole, uint64(8))
	f.Add(whole[:len(whole)-1], uint64(7))
	f.Add(whole[:40], uint64(7))
	f.Add([]byte{}, uint64(1))
	f.Add(append(bytes.Clone(whole), whole[headerSize:]...), uint64(7))
	f.Add(append(bytes.Clone(whole[:headerSize+50]), whole[headerSize:]...), uint64(7))
	f.Add(bytes.Repeat([]byte(mark), 50), uint64(0))
	f.Add(image(maxNumber-2, "a", "b", "c", "d", "e"), uint64(maxNumber-2))
	f.Fuzz(func(t *testing.T, b []byte, base uint64) {
		base %= maxNumber + 1
		got := scan(b, base)
		last, end := uint64(0), 0
		for _, r := range got.records {
			if r.off < end || r.off+r.size() > len(b) || r.number <= last && last > 0 || r.number < base || r.kind != kindMessage {
				t.Fatalf("record %+v after number %d and offset %d", r, last, end)
			}
			if _, ok := r.body(b[r.off:], base); !ok {
				t.Fatalf("record %+v is damaged", r)
			}
			last, end = r.number, r.off+r.size()
		}
		if end > got.end || got.end > len(b) {
			t.Fatalf("the end %d is before the last record's %d or behind %d", got.end, end, len(b))
		}
		end = 0
		for _, d := range got.damage {
			if d.off < end || d.size <= 0 && len(b) > 0 || d.off+d.size > len(b) {
				t.Fatalf("damage %+v", got.damage)
			}
			end = d.off + d.size
			for _, r := range got.records {
				if d.off < r.off+r.size() && r.off < d.off+d.size {
					t.Fatalf("damage %+v overlaps record %+v", d, r)
				}
			}
		}
	})
}
