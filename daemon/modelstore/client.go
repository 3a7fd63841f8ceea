package modelstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Endpoint is where models are looked for by name.
const Endpoint = "https://huggingface.co"

// Options say how models are fetched. The zero value asks Hugging Face, through
// the proxy that HTTPS_PROXY and its like name.
type Options struct {
	Endpoint string        // of Hugging Face or a mirror with the same API
	Token    string        // shown to the endpoint only; "": none
	Proxy    string        // http, https or socks5 address; "": the environment's
	Stall    time.Duration // without a byte for this long a connection is given up; 0: a minute
	// Attempts is how often in a row something may fail without a byte of
	// progress; 0: 6.
	Attempts int
	// Wait pauses between attempts; nil: sleeps.
	Wait func(context.Context, time.Duration) error
}

// Client fetches models.
type Client struct {
	http     *http.Client
	endpoint *url.URL
	token    string
	stall    time.Duration
	attempts int
	wait     func(context.Context, time.Duration) error
}

const maxRedirects = 10

// NewClient checks the options.
func NewClient(o Options) (*Client, error) {
	c := &Client{token: o.Token, stall: o.Stall, attempts: o.Attempts, wait: o.Wait}
	if o.Endpoint == "" {
		o.Endpoint = Endpoint
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is no address of a mirror: write for example https://huggingface.co", o.Endpoint)
	}
	c.endpoint = u
	if c.token != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("the token would be shown to everybody on the way to %s: write https://", u.Host)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // what is counted and resumed are the file's own bytes
	transport.ResponseHeaderTimeout = time.Minute
	if o.Proxy != "" {
		p, err := url.Parse(o.Proxy)
		if err != nil || p.Host == "" {
			return nil, errors.New("the proxy is no address: write for example http://proxy.lan:3128")
		}
		transport.Proxy = http.ProxyURL(p)
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.follow}
	if c.stall == 0 {
		c.stall = time.Minute
	}
	if c.attempts == 0 {
		c.attempts = 6
	}
	if c.wait == nil {
		c.wait = sleep
	}
	return c, nil
}

// Close ends connections that wait for more.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// follow is the rule for redirects.
func (c *Client) follow(req *http.Request, via []*http.Request) error {
	if !c.atEndpoint(req.URL) {
		req.Header.Del("Authorization") // net/http shows it to subdomains, too, and hubs have their files there
	}
	switch {
	case len(via) >= maxRedirects:
		return final(fmt.Errorf("it was sent on more than %d times", maxRedirects))
	case req.URL.Scheme != "https" && via[0].URL.Scheme == "https":
		return final(fmt.Errorf("it was sent on to %s, which is not encrypted", req.URL.Host))
	}
	return nil
}

func (c *Client) atEndpoint(u *url.URL) bool {
	return u.Scheme == c.endpoint.Scheme && u.Host == c.endpoint.Host
}

// get asks for an address; the token goes to the endpoint only.
func (c *Client) get(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, final(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "sensed")
	if c.token != "" && c.atEndpoint(req.URL) {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	var u *url.Error
	if errors.As(err, &u) {
		err = fmt.Errorf("%s: %w", req.URL.Host, u.Err) // the address of a redirect may hold a signature
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		err = final(err)
	}
	return res, err
}

// finalError is an error that trying again does not change.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func final(err error) error { return finalError{err} }

// laterError is an answer that asks for patience.
type laterError struct {
	error
	after time.Duration
}

// refusal is the error of an answer that brings nothing. Hugging Face says in a
// header what it means, because it answers 401 for what is not there, too.
func refusal(res *http.Response) error {
	host, code := res.Request.URL.Host, res.StatusCode
	refused := code == http.StatusUnauthorized || code == http.StatusForbidden
	switch meant := res.Header.Get("X-Error-Code"); {
	case meant == "RepoNotFound":
		return final(fmt.Errorf("%s has no such repository, or it is a closed one (%s): look at its name; a closed one needs a token, given with --token-file", host, res.Status))
	case meant == "RevisionNotFound":
		return final(fmt.Errorf("the repository at %s has no such revision (%s)", host, res.Status))
	case refused && res.Request.Response != nil:
		return fmt.Errorf("%s refuses it (%s), though we were sent there", host, res.Status) // such addresses expire; another attempt gets another one
	case refused:
		return final(fmt.Errorf("%s refuses it (%s): if the repository is closed, accept its terms there and give a token with --token-file", host, res.Status))
	case code == http.StatusNotFound || code == http.StatusGone:
		return final(fmt.Errorf("%s does not have it (%s)", host, res.Status))
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return laterError{fmt.Errorf("%s answers %s", host, res.Status), retryAfter(res.Header.Get("Retry-After"), time.Now())}
	}
	return final(fmt.Errorf("%s answers %s", host, res.Status))
}

// retryAfter reads a header of that name: seconds, or a time. Ten minutes are the
// longest.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	var d time.Duration
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), 10*time.Minute)
}

const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// persist works until it is done, or fails for good, or fails too often in a row
// without getting on. work tells whether it got on.
func (c *Client) persist(ctx context.Context, say func(string), work func() (progress bool, err error)) error {
	pause := firstPause
	for failed := 0; ; {
		progress, err := work()
		var stop finalError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &stop):
			return stop.error
		}
		if progress {
			failed, pause = 0, firstPause
		}
		if failed++; failed >= c.attempts {
			return fmt.Errorf("given up after %d attempts: %w", failed, err)
		}
		rest := pause
		var later laterError
		if errors.As(err, &later) {
			rest = max(rest, later.after)
		}
		say(fmt.Sprintf("%v; trying again in %v", err, rest))
		if err := c.wait(ctx, rest); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
