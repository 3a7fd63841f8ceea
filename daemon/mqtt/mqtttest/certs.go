package mqtttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Certs are the PEM files of an authority made for one test, of a broker at
// 127.0.0.1 and of a client.
type Certs struct {
	CA                string
	Server, ServerKey string
	Client, ClientKey string
}

// Expired says which of the certificates are out of date. The zero value: none.
type Expired struct{ Server, Client bool }

// NewCerts makes an authority of its own and what it signs.
func NewCerts(t testing.TB) *Certs {
	t.Helper()
	return NewCertsExpired(t, Expired{})
}

// NewCertsExpired makes certificates of which some ended a minute ago.
func NewCertsExpired(t testing.TB, expired Expired) *Certs {
	t.Helper()
	dir := t.TempDir()
	c := &Certs{
		CA:     filepath.Join(dir, "ca.pem"),
		Server: filepath.Join(dir, "server.pem"), ServerKey: filepath.Join(dir, "server.key"),
		Client: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client.key"),
	}
	key := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	writePEM(t, c.CA, "CERTIFICATE", sign(t, ca, ca, &key.PublicKey, key))
	for i, leaf := range []struct {
		name, cert, key string
		usage           x509.ExtKeyUsage
		expired         bool
	}{
		{"broker", c.Server, c.ServerKey, x509.ExtKeyUsageServerAuth, expired.Server},
		{"client", c.Client, c.ClientKey, x509.ExtKeyUsageClientAuth, expired.Client},
	} {
		own := newKey(t)
		end := ca.NotAfter
		if leaf.expired {
			end = time.Now().Add(-time.Minute)
		}
		writePEM(t, leaf.cert, "CERTIFICATE", sign(t, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 2), Subject: pkix.Name{CommonName: leaf.name},
			NotBefore: ca.NotBefore, NotAfter: end,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{leaf.usage},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, ca, &own.PublicKey, key))
		der, err := x509.MarshalECPrivateKey(own)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, leaf.key, "EC PRIVATE KEY", der)
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, cert, parent *x509.Certificate, pub *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, pub, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}
