package httpcam

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"sensed/devices"
)

// maxRedirects is how often a camera may send us on.
const maxRedirects = 5

// client makes the requests of one open camera, from one goroutine.
type client struct {
	s         *Source
	http      *http.Client
	transport *http.Transport
	password  string
	at        *url.URL     // where the pictures are, after what the camera sent us on to
	login     *credentials // nil until the camera has asked for it
}

func newClient(s *Source) (*client, error) {
	c := &client{s: s, at: s.url}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	if s.o.Password != nil {
		if c.password, err = s.o.Password(); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	c.transport = &http.Transport{
		DialContext:            (&net.Dialer{Timeout: s.o.Timeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    s.o.Timeout,
		ResponseHeaderTimeout:  s.o.Timeout,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
	c.http = &http.Client{Transport: c.transport, CheckRedirect: c.sentOn}
	return c, nil
}

// roots reads the file of certificates; nil means those of the system.
func (s *Source) roots() (*x509.CertPool, error) {
	if s.o.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s: the file of certificates cannot be read: %w", s, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: the file %s holds no certificate in PEM form", s, s.o.CAFile)
	}
	return pool, nil
}

// errSentOn explains itself.
var errSentOn = errors.New("the camera sends us on")

// sentOn decides whether a redirect is followed.
func (c *client) sentOn(to *http.Request, via []*http.Request) error {
	switch from := via[len(via)-1].URL; {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w %d times", errSentOn, len(via))
	case to.URL.Scheme != "http" && to.URL.Scheme != "https":
		return fmt.Errorf("%w to %s:", errSentOn, to.URL.Scheme)
	case from.Scheme == "https" && to.URL.Scheme == "http":
		return fmt.Errorf("%w from an encrypted address to one that is not", errSentOn)
	}
	return nil
}

// get asks for the pictures, with the password when the camera wants it. The
// answer is a good one; the caller closes its body.
func (c *client) get(ctx context.Context) (*http.Response, error) {
	answer, err := c.ask(ctx)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusUnauthorized && c.s.user != "" {
		// An old login may be stale: what the camera asks for now counts.
		if err := c.challenged(answer); err != nil {
			return nil, err
		}
		if answer, err = c.ask(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.refuse(answer); err != nil {
		drop(answer)
		return nil, err
	}
	return answer, nil
}

// ask makes one request.
func (c *client) ask(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.at.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "sensed")
	if c.login != nil {
		r.Header.Set("Authorization", c.login.answer(r.Method, r.URL.RequestURI()))
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.s.unreachable(err)
	}
	return answer, nil
}

// challenged prepares the login that an answer asks for.
func (c *client) challenged(answer *http.Response) error {
	defer drop(answer)
	if answer.Request.URL.Host != c.s.url.Host {
		return c.s.failed(fmt.Errorf("%w to %s, which wants a password", errSentOn, answer.Request.URL.Host), "give that address, if it is right", nil)
	}
	asked := parseChallenges(answer.Header.Values("WWW-Authenticate"))
	i := slices.IndexFunc(asked, func(a challenge) bool { return a.strength() > 0 })
	if i < 0 {
		return c.s.failed(errors.New("it asks for a password in a way that sensed does not know"), "let it use digest or basic", nil)
	}
	best := slices.MaxFunc(asked, func(a, b challenge) int { return a.strength() - b.strength() })
	c.login = &credentials{challenge: best, user: c.s.user, password: c.password}
	c.at = answer.Request.URL
	return nil
}

// refuse explains an answer that holds no pictures.
func (c *client) refuse(answer *http.Response) error {
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized && c.s.user == "":
		return c.s.failed(errors.New("it asks for a user and a password"), "write "+c.s.url.Scheme+"://USER@"+c.s.url.Host+"... and put the password into a file", nil)
	case code == http.StatusUnauthorized:
		return c.s.failed(fmt.Errorf("it refuses the user %q with this password", c.s.user), "correct them", nil)
	case code == http.StatusForbidden:
		return c.s.failed(errors.New("it forbids us this address"), "give the user the right to see pictures", nil)
	case code == http.StatusNotFound:
		return c.s.failed(errors.New("it has nothing at this address (404)"), "correct the path", nil)
	case code != http.StatusOK:
		return c.s.failed(fmt.Errorf("it answers %d %s", code, http.StatusText(code)), "restart it when that stays so", nil)
	case kind(answer) == other:
		return c.s.failed(fmt.Errorf("it gives %s and no picture", answer.Header.Get("Content-Type")), "correct the address", nil)
	}
	return nil
}

// drop ends an answer; a short rest is read so that the connection can be used
// again.
func drop(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// failure is an error that says all there is to say.
type failure struct {
	text string
	errs []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.errs }

// failed makes a sentence of what is wrong and what to do. is may be a kind of
// error, such as [devices.ErrAbsent], or nil.
func (s *Source) failed(err error, todo string, is error) error {
	f := &failure{text: fmt.Sprintf("%s: %v: %s", s, err, todo), errs: []error{err}}
	if is != nil {
		f.text, f.errs = f.text+": "+is.Error(), append(f.errs, is)
	}
	return f
}

// unreachable explains why there is no answer.
func (s *Source) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	err = plain(err)
	var (
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		timeout net.Error
	)
	switch {
	case errors.Is(err, errSentOn):
		return s.failed(err, "give the address that is right", nil)
	case errors.As(err, &cert):
		return s.failed(fmt.Errorf("its certificate is not trusted (%w)", cert.Err), "give the certificate of the camera, or of who signed it, as ca_file", nil)
	case errors.As(err, &dns):
		return s.failed(fmt.Errorf("the name %s is not known in this network", dns.Name), "correct it, or switch the camera on", devices.ErrAbsent)
	case errors.As(err, &timeout) && timeout.Timeout():
		return s.failed(fmt.Errorf("it does not answer within %v", s.o.Timeout), "see that it is switched on and in this network", devices.ErrAbsent)
	}
	return s.failed(fmt.Errorf("it does not answer (%w)", err), "see that it is switched on and in this network", devices.ErrAbsent)
}

// plain takes the address out of an error: it may hold a password.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
