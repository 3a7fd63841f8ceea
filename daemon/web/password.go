package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"

	"sensed/daemon/atomicfile"
)

// Cost of argon2id as OWASP recommends it for small machines (Password Storage
// Cheat Sheet): 19 MiB, two passes, one lane.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	saltSize    = 16
	keySize     = 32
)

// The bounds of a password, in bytes.
const (
	minPassword = 8
	maxPassword = 1024
)

// maxHash bounds the password file.
const maxHash = 1 << 10

// passwordHash is what is kept of a password.
type passwordHash struct {
	memory, passes uint32
	lanes          uint8
	salt, key      []byte
}

// NewPassword returns a random password of 120 bits that can be typed.
func NewPassword() string {
	const letters = "abcdefghjkmnpqrstuvwxyz23456789z" // 32, none that look alike; z stands twice for an even chance
	b := make([]byte, 24)
	rand.Read(b) // never fails
	var out strings.Builder
	for i, x := range b {
		if i > 0 && i%6 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(letters[x%32])
	}
	return out.String()
}

// CheckPassword tells what is wrong with a password that somebody wants to use.
func CheckPassword(password string) error {
	switch {
	case len(password) < minPassword:
		return fmt.Errorf("the password has %d bytes; take at least %d", len(password), minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("the password has more than %d bytes", maxPassword)
	case strings.ContainsAny(password, "\r\n\x00"):
		return errors.New("the password has more than one line")
	}
	return nil
}

// WritePassword keeps the argon2id hash of a password in a file that only its
// owner may read, in the place of another one. When root writes it, it belongs to
// the owner of its folder.
func WritePassword(path, password string) (err error) {
	if err := CheckPassword(password); err != nil {
		return err
	}
	h := passwordHash{memory: argonMemory, passes: argonPasses, lanes: argonLanes, salt: make([]byte, saltSize)}
	rand.Read(h.salt) // never fails
	h.key = h.derive(password)
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("the folder of the password file cannot be made: %w", err)
	}
	if err := atomicfile.Write(path, []byte(h.String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("the password cannot be kept: %w", err)
	}
	return nil
}

func (h passwordHash) derive(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, keySize)
}

// String is the hash as other programs write it (the PHC string format).
func (h passwordHash) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes, b.EncodeToString(h.salt), b.EncodeToString(h.key))
}

// parseHash reads what String wrote. What would cost more than a small board has
// is refused.
func parseHash(text string) (h passwordHash, err error) {
	wrong := errors.New("it is not the argon2id hash of a password")
	parts := strings.Split(strings.TrimSpace(text), "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, wrong
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil || n != 3 ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes) {
		return h, wrong
	}
	if h.memory < 8 || h.memory > 256<<10 || h.passes < 1 || h.passes > 16 || h.lanes < 1 || h.lanes > 16 {
		return h, errors.New("its costs are out of bounds")
	}
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return h, wrong
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.key) != keySize {
		return h, wrong
	}
	return h, nil
}

// fits tells whether this is the password.
func (h passwordHash) fits(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.key) == 1
}

// readHash reads a password file. A file that is not there is an error that wraps
// [fs.ErrNotExist]; one that others may read is refused.
func readHash(path string) (h passwordHash, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return h, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxHash {
		return h, fmt.Errorf("%s is no password file of sensed", path)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return h, fmt.Errorf("%s may be read by every user of this machine (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return h, err
	}
	if h, err = parseHash(string(data)); err != nil {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// PasswordSet tells whether there is a password file; an error that it cannot be
// used.
func PasswordSet(path string) (bool, error) {
	_, err := readHash(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
