package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// credential begins a path that names a credential of the service manager, as
// LoadCredential= in a unit gives it to the service.
const credential = "credential:"

// resolvePath makes a relative path start at folder, and one that names a
// credential in the folder of these. Without such a folder it stays, and
// opening it says so.
func resolvePath(path, folder string) string {
	if name, ok := strings.CutPrefix(path, credential); ok {
		if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.Base(name) == name {
			return filepath.Join(dir, name)
		}
		return path
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// credentials reports the paths that still name a credential after resolving.
func (k *checker) credentials() {
	b := &k.c.Broker
	for _, f := range []struct{ name, path string }{{"username", b.Username}, {"password_file", b.PasswordFile}, {"ca_file", b.CAFile},
		{"cert_file", b.CertFile}, {"key_file", b.KeyFile}} {
		if strings.HasPrefix(f.path, credential) {
			k.wrong("broker."+f.name, fmt.Sprintf("there is no credential %q", strings.TrimPrefix(f.path, credential)),
				"give it to the service with LoadCredential= in its unit")
		}
	}
}

// resolveUsername takes the user name out of the credential that it names.
func (k *checker) resolveUsername() {
	b := &k.c.Broker
	path := resolvePath(b.Username, "")
	if !strings.HasPrefix(b.Username, credential) || path == b.Username {
		return
	}
	name, err := firstLine(path)
	if err != nil {
		k.wrong("broker.username", "the credential cannot be used: "+explain(err), "give it to the service with LoadCredential= in its unit")
	}
	b.Username = name
}

// firstLine reads the first line of a small file.
func firstLine(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPassword {
		return "", fmt.Errorf("%s is no file of at most %d bytes", path, maxPassword)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("%s has an empty first line", path)
	}
	return line, nil
}
