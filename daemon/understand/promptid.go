package understand

import (
	"crypto/sha256"
	"encoding/hex"
)

// promptID names the words that the model is asked with.
func (q question) promptID() string {
	h := sha256.New()
	h.Write([]byte(q.request.System + "\n"))
	for _, p := range q.request.Parts {
		h.Write([]byte(p.Text))
	}
	return hex.EncodeToString(h.Sum(nil))[:8]
}
