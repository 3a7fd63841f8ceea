package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSelfMadeCertificates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.pem")
	c, print, err := SelfMade(path, []string{"camera.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	s := serveSite(t, func(o *Options) { o.TLS = c })
	roots := x509.NewCertPool()
	roots.AddCert(c.Certificates[0].Leaf)
	for _, name := range []string{"localhost", "camera.example.org", "127.0.0.1"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}}}
		a, err := client.Get(s.address(base + "session"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a.Body.Close()
		client.CloseIdleConnections()
		if a.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: browsers are not told to stay with TLS", name)
		}
	}
	if _, again, err := SelfMade(path, []string{"camera.example.org"}); err != nil || again != print {
		t.Errorf("made anew: %v", err)
	}
	if _, other, err := SelfMade(path, []string{"another.example.org"}); err != nil || other == print {
		t.Errorf("not made anew for another name: %v", err)
	}
	leaf := c.Certificates[0].Leaf
	if usable(leaf, nil, time.Now().Add(certAge-certEarly+time.Hour)) || !usable(leaf, nil, time.Now()) {
		t.Error("its end is not seen in time")
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := SelfMade(path, nil); err == nil {
		t.Error("a damaged file is no error")
	}
}

func TestRenewedFilesAreUsed(t *testing.T) {
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	if _, err := TLSFromFiles(cert, key); err == nil {
		t.Error("files that are not there are no error")
	}
	renew := func(at time.Time) {
		t.Helper()
		data, err := makeCert([]string{"localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var c, k bytes.Buffer
		for {
			var b *pem.Block
			if b, data = pem.Decode(data); b == nil {
				break
			}
			to := &c
			if b.Type == "PRIVATE KEY" {
				to = &k
			}
			if err := pem.Encode(to, b); err != nil {
				t.Fatal(err)
			}
		}
		for name, b := range map[string]*bytes.Buffer{cert: &c, key: &k} {
			if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew(time.Now())
	c, err := TLSFromFiles(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	renew(time.Now().Add(time.Hour))
	second, err := c.GetCertificate(nil)
	if err != nil || bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Errorf("the old one is still in use: %v", err)
	}
	if err := os.Remove(key); err != nil { // in the middle of a renewal
		t.Fatal(err)
	}
	if third, err := c.GetCertificate(nil); err != nil || !bytes.Equal(third.Certificate[0], second.Certificate[0]) {
		t.Errorf("without a key: %v", err)
	}
}
