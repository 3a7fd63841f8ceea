package bus

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sensed/devices"
)

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"SPI0.0": true, "0.1": true, "/dev/spidev10.12": true,
		"": false, "SPI0": false, "SPI": false, "spi0.0": false, "SPI0.0.0": false, "/dev/spidev0.0/../x": false, "SPI99999.0": false, "I2C1": false,
	} {
		if err := CheckSPI(name); (err == nil) != good {
			t.Errorf("SPI %q: %v", name, err)
		}
	}
	for name, good := range map[string]bool{
		"I2C1": true, "1": true, "/dev/i2c-20": true,
		"": false, "I2C": false, "i2c1": false, "I2C1.0": false, "-1": false, "SPI0.0": false,
	} {
		if err := CheckI2C(name); (err == nil) != good {
			t.Errorf("I2C %q: %v", name, err)
		}
	}
}

func TestAbsentBusSaysWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		open func() error
		want []string
	}{
		{func() error { _, err := OpenSPI("SPI999.9"); return err }, []string{"/dev/spidev999.9", "dtparam=spi=on"}},
		{func() error { _, err := OpenI2C("I2C999"); return err }, []string{"/dev/i2c-999", "dtparam=i2c_arm=on"}},
		{func() error { _, err := Open("SPI999.9", "I2C999"); return err }, []string{"/dev/spidev999.9"}},
	} {
		err := tc.open()
		if !errors.Is(err, devices.ErrAbsent) {
			t.Errorf("%v does not wrap ErrAbsent", err)
		}
		for _, w := range tc.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v lacks %q", err, w)
			}
		}
	}
	for _, err := range []error{second(OpenSPI("x")), second(OpenI2C("x"))} {
		if err == nil || errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), `"x" is not the name of`) {
			t.Errorf("a wrong name: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestList(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"dev/spidev0.10": "", "dev/spidev0.2": "", "dev/i2c-1": "", "dev/i2c-11": "", "dev/i2c-2": "", "dev/other": "",
		"sys/bus/i2c/devices/i2c-1/name":        "bcm2835 (i2c@7e804000)\n",
		"sys/bus/spi/devices/spi0.2/modalias":   "spi:spidev\n",
		"sys/bus/i2c/devices/i2c-2/name/x/dir/": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := listIn(root, func(path string, flag int, mode fs.FileMode) (*os.File, error) {
		switch filepath.Base(path) {
		case "spidev0.2":
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		case "i2c-11":
			return nil, errors.New("it burns")
		}
		return os.OpenFile(path, flag, mode)
	})
	want := []Info{
		{Name: "SPI0.2", Path: "/dev/spidev0.2", About: "spidev", Problem: advice("spi")},
		{Name: "SPI0.10", Path: "/dev/spidev0.10"},
		{Name: "I2C1", Path: "/dev/i2c-1", About: "bcm2835 (i2c@7e804000)"},
		{Name: "I2C2", Path: "/dev/i2c-2"},
		{Name: "I2C11", Path: "/dev/i2c-11", Problem: "it burns"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := listIn(t.TempDir(), os.OpenFile); got != nil {
		t.Errorf("an empty machine has %v", got)
	}
}
