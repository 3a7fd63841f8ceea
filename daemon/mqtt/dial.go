package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// dialTimeout bounds one attempt to reach the broker, its greeting included.
const dialTimeout = 10 * time.Second

// maxSecret bounds the files with passwords and certificates.
const maxSecret = 1 << 20

// endpoint is a checked broker URL.
type endpoint struct {
	url  *url.URL
	addr string // HOST:PORT, or the path of a unix socket
	kind string // tcp, tls, unix, ws or wss
}

// parseURL checks the URL of a broker and fills in the usual port.
func parseURL(raw string) (endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil {
		var detail *url.Error // its text repeats the URL, password and all
		if errors.As(err, &detail) {
			err = detail.Err
		}
		return endpoint{}, fmt.Errorf("mqtt: the broker's URL cannot be read: %w", err)
	}
	if u.User != nil {
		return endpoint{}, fmt.Errorf("mqtt: broker URL %s holds a user name or a password; give them as user name and password file", u.Redacted())
	}
	e := endpoint{url: u}
	port := ""
	switch strings.ToLower(u.Scheme) {
	case "mqtt", "tcp":
		e.kind, port = "tcp", "1883"
	case "mqtts", "tls", "ssl":
		e.kind, port = "tls", "8883"
	case "ws":
		e.kind, port = "ws", "80"
	case "wss":
		e.kind, port = "wss", "443"
	case "unix":
		if u.Path == "" {
			return endpoint{}, fmt.Errorf("mqtt: broker URL %s names no socket; write unix:///run/mosquitto.sock", raw)
		}
		e.kind, e.addr = "unix", u.Path
		return e, nil
	default:
		return endpoint{}, fmt.Errorf("mqtt: broker URL %q begins with none of mqtt://, mqtts://, ws://, wss://, unix://", raw)
	}
	if u.Hostname() == "" {
		return endpoint{}, fmt.Errorf("mqtt: broker URL %s names no host", raw)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.addr = net.JoinHostPort(u.Hostname(), port)
	return e, nil
}

func (e endpoint) secure() bool { return e.kind == "tls" || e.kind == "wss" }

// open connects to the broker, TLS included.
func (e endpoint) open(ctx context.Context, conf *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := &net.Dialer{}
	switch e.kind {
	case "tls":
		return (&tls.Dialer{NetDialer: dialer, Config: conf}).DialContext(ctx, "tcp", e.addr)
	case "ws", "wss":
		return paho.NewWebsocket(e.url.String(), conf, dialTimeout, nil, nil)
	case "unix":
		return dialer.DialContext(ctx, "unix", e.addr)
	}
	return dialer.DialContext(ctx, "tcp", e.addr)
}

// watched remembers why reading ended: paho tells it for a session, but not
// when the broker ends the connection instead of greeting, which is how TLS 1.3
// refuses a client's certificate.
type watched struct {
	net.Conn
	mu  sync.Mutex
	err error // guarded by mu
}

func (c *watched) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.mu.Lock()
		c.err = cmp.Or(c.err, err)
		c.mu.Unlock()
	}
	return n, err
}

func (c *watched) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// endpoints are the brokers in the order in which they are tried.
func (o *Options) endpoints() ([]endpoint, error) {
	var list []endpoint
	for _, raw := range append([]string{o.URL}, o.Fallbacks...) {
		e, err := parseURL(raw)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// checkFiles reads the files with passwords and certificates once, so that a
// mistake is told at the start.
func (o *Options) checkFiles(endpoints []endpoint) error {
	if _, err := o.password(); err != nil {
		return err
	}
	if !slices.ContainsFunc(endpoints, endpoint.secure) {
		if o.CAFile != "" || o.CertFile != "" || o.KeyFile != "" || o.ServerName != "" {
			return fmt.Errorf("mqtt: certificates are spoken of, but the broker URL %s is not encrypted; write mqtts://", endpoints[0].url)
		}
		return nil
	}
	_, err := o.tlsConfig("")
	return err
}

// tlsConfig verifies the broker against CAFile, or against the system's
// authorities when there is none, and shows it a certificate if one is given.
func (o *Options) tlsConfig(host string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cmp.Or(o.ServerName, host)}
	if o.CAFile != "" {
		pem, err := readSecret(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt: the authority's certificate cannot be read: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt: %s holds no certificate in PEM form", o.CAFile)
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("mqtt: a client certificate and its key belong together, but only one of them is given")
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt: client certificate %s and key %s cannot be used: %w", o.CertFile, o.KeyFile, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// password returns the first line of the password file, "" without one.
func (o *Options) password() (string, error) {
	if o.PasswordFile == "" {
		return "", nil
	}
	b, err := readSecret(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("mqtt: the password file cannot be read: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("mqtt: password file %s has an empty first line", o.PasswordFile)
	}
	if o.Username == "" {
		return "", fmt.Errorf("mqtt: password file %s is given without a user name", o.PasswordFile)
	}
	return line, nil
}

func readSecret(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxSecret {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxSecret)
	}
	return os.ReadFile(path)
}
