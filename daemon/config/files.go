package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const maxPassword = 4096 // bytes of a password file

// resolve makes the relative paths of the file start at its folder.
func (c *Config) resolve(folder string) {
	for _, p := range []*string{&c.Broker.PasswordFile, &c.Broker.CAFile, &c.Broker.CertFile, &c.Broker.KeyFile,
		&c.Web.CertFile, &c.Web.KeyFile, &c.Web.PasswordFile, &c.Web.Timeline.Path,
		&c.Health.Socket, &c.Model.Folder, &c.Model.Text, &c.Model.Projector, &c.Model.Drafter, &c.Model.Profile, &c.Outbox.Path} {
		*p = resolvePath(*p, folder)
	}
	if c.Model.Packed != PackedOff {
		c.Model.Packed = resolvePath(c.Model.Packed, folder)
	}
	for i := range c.Sources {
		d := &c.Sources[i].Device
		if (d.Scheme == "replay" || d.Scheme == "file" || d.Scheme == "wav") && !filepath.IsAbs(d.Path) {
			d.Path = filepath.Join(folder, d.Path)
		}
		for _, name := range []string{"password_file", "ca_file"} {
			if d.Has(name) {
				d.values[name] = resolvePath(d.values[name], folder)
			}
		}
	}
}

// checkFiles looks at the small files that the broker and network cameras need. Models and devices
// are left to those who open them: a device may come later.
func (c *Config) checkFiles() []Problem {
	k := &checker{c: c}
	k.resolveUsername()
	k.credentials()
	if c.Broker.PasswordFile != "" && !strings.HasPrefix(c.Broker.PasswordFile, credential) {
		if _, err := c.Password(); err != nil {
			k.wrong("broker.password_file", err.Error(), "")
		}
	}
	for _, f := range []struct{ name, path string }{{"ca_file", c.Broker.CAFile}, {"cert_file", c.Broker.CertFile}, {"key_file", c.Broker.KeyFile}} {
		if f.path == "" || strings.HasPrefix(f.path, credential) {
			continue
		}
		if file, err := os.Open(f.path); err != nil {
			k.wrong("broker."+f.name, explain(err), "write the path of a PEM file that sensed may read")
		} else {
			file.Close()
		}
	}
	for _, f := range []struct{ name, path string }{{"cert_file", c.Web.CertFile}, {"key_file", c.Web.KeyFile}} {
		if f.path == "" {
			continue
		}
		if file, err := os.Open(f.path); err != nil {
			k.wrong("web."+f.name, explain(err), "write the path of a PEM file that sensed may read")
		} else {
			file.Close()
		}
	}
	for i, source := range c.Sources {
		if path := source.Device.Text("password_file", ""); path != "" {
			if _, err := Secret(path); err != nil {
				k.wrong(fmt.Sprintf("sources[%d].source", i), err.Error(), "")
			}
		}
	}
	return k.problems
}

// Password returns the password of the broker, or "" when there is none.
func (c *Config) Password() (string, error) {
	if c.Broker.PasswordFile == "" {
		return "", nil
	}
	return Secret(c.Broker.PasswordFile)
}

// Secret returns the first line of a password file. A file that every user of
// the machine may read is refused.
func Secret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the password file cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("the password file cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("the password file %s is not a file", path)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("the password file %s may be read or changed by every user of this machine (mode %04o): make it private with chmod 640 %s",
			path, info.Mode().Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("the password file cannot be read: %w", err)
	}
	line, _, err := bufio.NewReader(bytes.NewReader(data)).ReadLine()
	password := strings.TrimSuffix(string(line), "\r")
	if err != nil || password == "" || len(data) > maxPassword {
		return "", fmt.Errorf("the password file %s does not hold a password in its first line", path)
	}
	return password, nil
}

// explain says why a file cannot be opened, without the name of a system call.
func explain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("%s: %v", p.Path, p.Err)
	}
	return err.Error()
}
