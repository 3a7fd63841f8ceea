package httpcam

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// challenge is one way in which a server asks for a password: RFC 7235.
type challenge struct {
	scheme string            // in lower case
	params map[string]string // names in lower case
}

// strength orders the ways; 0: it is not known here.
func (c challenge) strength() int {
	if c.scheme == "basic" {
		return 1
	}
	if c.scheme != "digest" || c.hash() == nil || c.params["nonce"] == "" || c.params["qop"] != "" && !c.wantsQOP() {
		return 0
	}
	return 2 + c.hash().Size() // 18 for MD5
}

// hash returns the hash of a digest, or nil.
func (c challenge) hash() hash.Hash {
	switch strings.TrimSuffix(strings.ToUpper(c.params["algorithm"]), "-SESS") {
	case "", "MD5":
		return md5.New()
	case "SHA-256":
		return sha256.New()
	case "SHA-512-256":
		return sha512.New512_256()
	}
	return nil
}

// wantsQOP says whether the quality of protection "auth" is offered.
func (c challenge) wantsQOP() bool {
	for q := range strings.SplitSeq(c.params["qop"], ",") {
		if strings.EqualFold(strings.TrimSpace(q), "auth") {
			return true
		}
	}
	return false
}

// parseChallenges reads the fields WWW-Authenticate. What cannot be read ends
// the field.
func parseChallenges(fields []string) []challenge {
	var out []challenge
	for _, f := range fields {
		for {
			f = strings.TrimLeft(f, " \t,")
			word, rest := token(f)
			if word == "" {
				break
			}
			if value, after, ok := param(rest); ok && len(out) > 0 {
				last := out[len(out)-1]
				last.params[strings.ToLower(word)] = value
				f = after
				continue
			}
			out = append(out, challenge{strings.ToLower(word), map[string]string{}})
			f = rest
		}
	}
	return out
}

// token cuts the word off with which s begins.
func token(s string) (word, rest string) {
	i := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:]
}

// param reads "= value" with or without quotes.
func param(s string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t"), "=")
	if !ok {
		return "", s, false
	}
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", \t")
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:], true
	}
	var v []byte
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return string(v), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		v = append(v, s[i])
	}
	return "", "", false // no end
}

// credentials answer a challenge: RFC 7616 and RFC 7617.
type credentials struct {
	challenge
	user, password string
	count          uint32 // of requests with this nonce
	cnonce         string // ours; made at the first request
}

// answer is the field Authorization of a request.
func (c *credentials) answer(method, uri string) string {
	if c.scheme == "basic" {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+c.password))
	}
	c.count++
	if c.cnonce == "" {
		c.cnonce = rand.Text()
	}
	digest := func(parts ...string) string {
		h := c.hash()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	p := c.params
	nonce, nc := p["nonce"], fmt.Sprintf("%08x", c.count)
	secret := digest(c.user, p["realm"], c.password)
	if strings.HasSuffix(strings.ToUpper(p["algorithm"]), "-SESS") {
		secret = digest(secret, nonce, c.cnonce)
	}
	var response string
	if c.wantsQOP() {
		response = digest(secret, nonce, nc, c.cnonce, "auth", digest(method, uri))
	} else {
		response = digest(secret, nonce, digest(method, uri))
	}
	quoted := func(name, v string) string {
		return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
	}
	out := []string{quoted("username", c.user), quoted("realm", p["realm"]), quoted("nonce", nonce), quoted("uri", uri), quoted("response", response)}
	if a := p["algorithm"]; a != "" {
		out = append(out, "algorithm="+a)
	}
	if o, has := p["opaque"]; has {
		out = append(out, quoted("opaque", o))
	}
	if c.wantsQOP() {
		out = append(out, "qop=auth", "nc="+nc, quoted("cnonce", c.cnonce))
	}
	return "Digest " + strings.Join(slices.Clip(out), ", ")
}
