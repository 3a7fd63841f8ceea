package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	sessionAge = 7 * 24 * time.Hour
	nonceSize  = 16
	// maxRevoked bounds the sessions that were ended before their time; at that
	// many all end.
	maxRevoked = 1024
)

// auth decides who may use the API. Sessions are signed with a key that is made
// of the password's hash and of a secret of this process: all of them end when
// the password changes and when sensed does, so that one that was ended is never
// good again. Its methods may be called from any goroutine.
type auth struct {
	path     string // of the password file
	exposed  bool   // others than this machine can reach the page
	cookie   string // name
	now      func() time.Time
	checking chan struct{}
	limit    limiter

	mu      sync.Mutex // guards what follows
	stamp   stamp      // of the file that hash was read from
	hash    *passwordHash
	problem error // why there is no hash
	secret  []byte
	revoked map[string]time.Time
}

// stamp tells whether a file is another one than before.
type stamp struct {
	size int64
	time time.Time
}

func newAuth(path string, exposed bool, cookie string) *auth {
	a := &auth{path: path, exposed: exposed, cookie: cookie, now: time.Now, secret: make([]byte, keySize), checking: make(chan struct{}, 1), revoked: map[string]time.Time{}}
	rand.Read(a.secret) // never fails
	a.stamp.size = -2   // like no file
	return a
}

// current returns the hash of the password, and why there is none. It follows
// changes of the file.
func (a *auth) current() (*passwordHash, error) {
	now := stamp{size: -1}
	info, err := os.Stat(a.path)
	if err == nil {
		now = stamp{info.Size(), info.ModTime()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if now != a.stamp || now.size < 0 {
		a.stamp, a.hash, a.problem = now, nil, nil
		h, err := readHash(a.path)
		if err != nil {
			a.problem = err
		} else {
			a.hash = &h
		}
	}
	return a.hash, a.problem
}

// required tells whether a password is needed, and what has to be done when one
// is needed and cannot be checked. A password that cannot be read is needed.
func (a *auth) required() (needed bool, setup string) {
	h, err := a.current()
	switch {
	case h != nil:
		return true, ""
	case !errors.Is(err, fs.ErrNotExist):
		return true, "the password cannot be checked: " + err.Error()
	case a.exposed:
		return true, "no password is set yet: run \"sensed web password\" on the machine itself, as root when sensed runs as a service"
	}
	return false, ""
}

// key signs the sessions of a password; h is nil when none is needed.
func (a *auth) key(h *passwordHash) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h == nil {
		return sign(a.secret, "open", nil)
	}
	return sign(a.secret, "sensed session", h.key)
}

func sign(key []byte, what string, data []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(what))
	m.Write(data)
	return m.Sum(nil)
}

// login is a session that was found in a request.
type login struct {
	key     []byte // that it is signed with
	token   []byte // expiry and nonce
	expires time.Time
}

// find returns the session of a request. ok is false when it has none and needs
// one.
func (a *auth) find(r *http.Request) (login, bool) {
	h, _ := a.current()
	if h == nil {
		needed, _ := a.required()
		return login{key: a.key(nil)}, !needed
	}
	key := a.key(h)
	for _, c := range r.CookiesNamed(a.cookie) {
		data, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil || len(data) != 8+nonceSize+sha256.Size {
			continue
		}
		token, mac := data[:8+nonceSize], data[8+nonceSize:]
		if !hmac.Equal(mac, sign(key, "session", token)) {
			continue
		}
		expires := time.Unix(int64(binary.BigEndian.Uint64(token)), 0)
		a.mu.Lock()
		_, gone := a.revoked[string(token)]
		a.mu.Unlock()
		if gone || !a.now().Before(expires) {
			continue
		}
		return login{key, token, expires}, true
	}
	return login{}, false
}

// still tells whether a request whose answer goes on could be made now.
func (a *auth) still(r *http.Request) bool {
	_, ok := a.find(r)
	return ok
}

// csrf is the token that a session proves itself with when it changes something.
func (l login) csrf() string {
	return base64.RawURLEncoding.EncodeToString(sign(l.key, "csrf", l.token))
}

// half tells whether half of its time is over.
func (l login) half(now time.Time) bool {
	return len(l.token) > 0 && l.expires.Sub(now) < sessionAge/2
}

// begin makes a session.
func (a *auth) begin(h *passwordHash) login {
	l := login{key: a.key(h), token: make([]byte, 8+nonceSize), expires: a.now().Add(sessionAge)}
	binary.BigEndian.PutUint64(l.token, uint64(l.expires.Unix()))
	rand.Read(l.token[8:]) // never fails
	return l
}

func (l login) cookieValue() string {
	return base64.RawURLEncoding.EncodeToString(append(l.token[:len(l.token):len(l.token)], sign(l.key, "session", l.token)...))
}

// end ends a session before its time.
func (a *auth) end(l login) {
	if len(l.token) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	maps.DeleteFunc(a.revoked, func(_ string, expires time.Time) bool { return !now.Before(expires) })
	if len(a.revoked) >= maxRevoked {
		rand.Read(a.secret) // never fails
		clear(a.revoked)
	}
	a.revoked[string(l.token)] = l.expires
}

var errWrongPassword = errors.New("this is not the password")

// tooOften says how long to wait before the next try.
type tooOften struct{ wait time.Duration }

func (t *tooOften) Error() string {
	return fmt.Sprintf("too many tries; wait %d seconds", int(t.wait.Seconds()+1))
}

// check compares a password, one at a time: each takes 19 MiB of memory.
func (a *auth) check(ctx context.Context, from, password string) (login, error) {
	h, err := a.current()
	if h == nil {
		if needed, setup := a.required(); needed {
			return login{}, errors.New(setup)
		}
		return login{}, fmt.Errorf("no password is needed: %w", err)
	}
	if wait := a.limit.take(from, a.now()); wait > 0 {
		return login{}, &tooOften{wait}
	}
	if len(password) > maxPassword {
		return login{}, errWrongPassword
	}
	select {
	case a.checking <- struct{}{}:
		defer func() { <-a.checking }()
	case <-ctx.Done():
		return login{}, ctx.Err()
	}
	if !h.fits(password) {
		return login{}, errWrongPassword
	}
	return a.begin(h), nil
}
