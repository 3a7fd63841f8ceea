package web

import (
	"crypto/tls"
	"os"
	"sync"
	"time"
)

// pair is a certificate and its key in files that somebody renews.
type pair struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	of     [2]time.Time // when the files were written
}

// get returns the certificate. While the files cannot be used, as in the middle
// of a renewal, it is the one before.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := [2]time.Time{written(p.cert), written(p.key)}
	if p.loaded != nil && now == p.of {
		return p.loaded, nil
	}
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		if p.loaded != nil {
			return p.loaded, nil
		}
		return nil, err
	}
	p.loaded, p.of = &c, now
	return p.loaded, nil
}

// written is when a file was written; zero when it is not there.
func written(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
