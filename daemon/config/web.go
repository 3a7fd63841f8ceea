package config

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Web says where the page is and who may see it.
type Web struct {
	// Listen is its host:port, or WebOff.
	Listen string
	// Prefix is the path below which it lies behind a reverse proxy, such as
	// /sensed; empty: none.
	Prefix string
	// Hosts are names, beside those of this machine, under which it may be reached.
	Hosts []string
	// TLS is on, off, or auto: on where others than this machine reach it.
	TLS string
	// CertFile and KeyFile are PEM files; without them the certificate is self-made.
	CertFile, KeyFile string
	// PasswordFile holds the hash of the password; empty: in the service's folder.
	PasswordFile string
	// The bounds of the timeline, which is in memory.
	Cards, Megabytes int
	Timeline         Timeline
}

// Timeline says what of it is also kept on disk.
type Timeline struct {
	Keep string        // one of the Keep constants
	Path string        // of the folder; empty: in the service's folder
	Age  time.Duration // older things are dropped
}

// What of the timeline is kept on disk. The words come with all that is known
// beside them, but for the picture.
const (
	KeepNothing  = "nothing"
	KeepWords    = "words"
	KeepPictures = "pictures" // small ones, and the words
)

// WebOff as Web.Listen: there is no page.
const WebOff = "off"

func defaultWeb() Web {
	return Web{Listen: "127.0.0.1:8420", TLS: "auto", Cards: 2000, Megabytes: 32, Timeline: Timeline{Keep: KeepNothing, Age: 7 * 24 * time.Hour}}
}

func (r *reader) web(n ast.Node, path string, w *Web) {
	r.mapping(n, path, []field{
		{"listen", r.text(&w.Listen)},
		{"prefix", r.text(&w.Prefix)},
		{"hosts", r.list(func(n ast.Node, path string) {
			var h string
			r.text(&h)(n, path)
			w.Hosts = append(w.Hosts, h)
		})},
		{"tls", r.text(&w.TLS)},
		{"cert_file", r.text(&w.CertFile)},
		{"key_file", r.text(&w.KeyFile)},
		{"password_file", r.text(&w.PasswordFile)},
		{"cards", r.whole(&w.Cards)},
		{"megabytes", r.whole(&w.Megabytes)},
		{"timeline", func(n ast.Node, path string) {
			r.mapping(n, path, []field{
				{"keep", r.text(&w.Timeline.Keep)},
				{"path", r.text(&w.Timeline.Path)},
				{"age", r.duration(&w.Timeline.Age)},
			})
		}},
	})
}

func (k *checker) web() {
	w := k.c.Web
	if w.Listen != WebOff {
		if _, port, err := net.SplitHostPort(w.Listen); err != nil || !isPort(port) {
			k.wrong("web.listen", fmt.Sprintf("%q is not an address to listen at", w.Listen), "write host and port, such as 127.0.0.1:8420, :8420 for all networks, or off")
		}
	}
	if p := w.Prefix; p != "" && (!strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") || strings.Contains(p, "//") ||
		strings.ContainsFunc(p, func(r rune) bool { return !strings.ContainsRune(pathLetters, r) })) {
		k.wrong("web.prefix", fmt.Sprintf("%q is not the beginning of a path", p), "write letters, digits, - and _ between slashes, such as /sensed")
	}
	for i, h := range w.Hosts {
		if h == "" || strings.ContainsAny(h, "/: ") {
			k.wrong(fmt.Sprintf("web.hosts[%d]", i), fmt.Sprintf("%q is not the name of a machine", h), "write it without scheme and port, such as camera.example.org")
		}
	}
	k.oneOf("web.tls", w.TLS, "auto", "on", "off")
	if (w.CertFile == "") != (w.KeyFile == "") {
		missing, given := "key_file", "cert_file"
		if w.CertFile == "" {
			missing, given = given, missing
		}
		k.wrong("web."+given, "it is of no use without "+missing, "give both, or none for a self-made certificate")
	}
	if w.TLS == "off" && w.CertFile+w.KeyFile != "" {
		k.wrong("web.tls", "it is off, and a certificate is given", "write on, or remove cert_file and key_file")
	}
	k.within("web.cards", w.Cards, 10, 100000)
	k.within("web.megabytes", w.Megabytes, 1, 1024)
	k.oneOf("web.timeline.keep", w.Timeline.Keep, KeepNothing, KeepWords, KeepPictures)
	if a := w.Timeline.Age; a < time.Minute || a > 90*24*time.Hour {
		k.wrong("web.timeline.age", fmt.Sprintf("%v is out of bounds", a), "write a time from 1m to 2160h")
	}
}

// pathLetters may stand in the prefix of the page.
const pathLetters = "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
