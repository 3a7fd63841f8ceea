package lepton

import "testing"

// BenchmarkPicture is what a picture of a 3.x costs beside the transfers: all
// the packets that are read for it, which are three times its own, and the grey
// picture.
func BenchmarkPicture(b *testing.B) {
	var packets [][]byte
	for s := range segments {
		packets = append(packets, runOf(s+1, uint16(30000+s))...)
	}
	for range 8 {
		packets = append(packets, runOf(0, 30000)...)
	}
	var s stream
	g := gain{least: leastCentikelvin}
	for b.Loop() {
		pictures := 0
		for _, p := range packets {
			if whole := s.push(p); whole != nil {
				pictures++
				g.picture(whole)
			}
		}
		if pictures != 1 {
			b.Fatalf("%d pictures", pictures)
		}
	}
}
