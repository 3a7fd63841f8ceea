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

// resolveUsername takes the user name out of the credential that it names.
func (k *checker) resolveUsername() {
	b := &k.c.Broker
	if !strings.HasPrefix(b.Username, credential) {
		return
	}
	name, err := firstLine(resolvePath(b.Username, ""))
	if err != nil {
		k.wrong("broker.username", "the credential cannot be used: "+explain(err), "give it to the service with LoadCredential=")
		return
	}
	b.Username = name
}

// firstLine reads the first line of a small file.
func firstLine(path string) (string, error) {
	if strings.HasPrefix(path, credential) {
		return "", fmt.Errorf("the service manager gave no credentials ($CREDENTIALS_DIRECTORY), or %s is no name of one", path)
	}
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
