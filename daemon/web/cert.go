package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sensed/daemon/atomicfile"
)

const (
	// certAge is how long a certificate of our own is good: browsers take no
	// longer ones, and nobody but them asks.
	certAge = 397 * 24 * time.Hour
	// certEarly is how long before its end it is made anew.
	certEarly = 30 * 24 * time.Hour
)

// TLSFromFiles uses a certificate and its key, which are read again when they
// change, as those who renew them expect.
func TLSFromFiles(cert, key string) (*tls.Config, error) {
	p := &pair{cert: cert, key: key}
	if _, err := p.get(nil); err != nil {
		return nil, fmt.Errorf("the certificate of the page cannot be used: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.get}, nil
}

// SelfMade uses a certificate of our own, kept in one file with its key. It is
// made when there is none for these names, or it ends soon. Fingerprint is its
// SHA-256, for whoever wants to compare.
func SelfMade(path string, hosts []string) (c *tls.Config, fingerprint string, err error) {
	all := names(hosts)
	now := time.Now()
	cert, err := load(path)
	if err == nil && usable(cert.Leaf, all, now) {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, print256(cert.Leaf), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("the certificate that was made for the page cannot be used: %w; remove %s, and another is made", err, path)
	}
	data, err := makeCert(all, now)
	if err != nil {
		return nil, "", fmt.Errorf("no certificate can be made for the page: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", fmt.Errorf("the certificate of the page cannot be kept: %w", err)
	}
	if err := atomicfile.Write(path, data, 0o600); err != nil {
		return nil, "", fmt.Errorf("the certificate of the page cannot be kept: %w", err)
	}
	if cert, err = parse(data); err != nil {
		return nil, "", err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, print256(cert.Leaf), nil
}

func load(path string) (tls.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tls.Certificate{}, err
	}
	return parse(data)
}

// parse reads a certificate and its key out of one text.
func parse(data []byte) (tls.Certificate, error) { return tls.X509KeyPair(data, data) }

// usable tells whether a certificate is good for some names and for some time.
func usable(c *x509.Certificate, names []string, now time.Time) bool {
	return c != nil && now.After(c.NotBefore) && now.Before(c.NotAfter.Add(-certEarly)) &&
		!slices.ContainsFunc(names, func(n string) bool { return c.VerifyHostname(n) != nil })
}

func print256(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return fmt.Sprintf("%X", sum)
}

// makeCert makes a certificate that signs itself, for some names and for the
// addresses of this machine, and its key.
func makeCert(names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sensed on " + names[len(names)-1]},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certAge),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: names, IPAddresses: addresses(),
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// addresses are those of this machine, as far as they can be found out.
func addresses() []net.IP {
	out := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return out
	}
	for _, a := range found {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			out = append(out, n.IP)
		}
	}
	return out
}
