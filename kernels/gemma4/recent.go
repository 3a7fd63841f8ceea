package gemma4

import "bytes"

// recentPictures are the pictures that were encoded last, with their soft
// tokens: one picture is asked many questions, and a still scene seen by a
// quiet camera is the same picture again. Pictures are compared by their
// pixels as the tower sees them.
type recentPictures struct {
	entries []recentPicture // the newest first
}

type recentPicture struct {
	w, h   int
	pixels []uint8
	soft   []float32
}

// pictureMemory is how many pictures are remembered, about 1 MB each.
const pictureMemory = 4

// find returns the soft tokens of the picture, nil when it is not remembered.
func (r *recentPictures) find(p *Pixels) []float32 {
	for i, e := range r.entries {
		if e.w == p.W && e.h == p.H && bytes.Equal(e.pixels, p.Pix) {
			copy(r.entries[1:i+1], r.entries[:i])
			r.entries[0] = e
			return e.soft
		}
	}
	return nil
}

// add remembers a picture, which find does not know, in place of the oldest.
func (r *recentPictures) add(p *Pixels, soft []float32) {
	if len(r.entries) < pictureMemory {
		r.entries = append(r.entries, recentPicture{})
	}
	copy(r.entries[1:], r.entries)
	r.entries[0] = recentPicture{p.W, p.H, p.Pix, soft}
}
