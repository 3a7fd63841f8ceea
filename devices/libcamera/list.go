package libcamera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Listed is a camera on the board's camera port.
type Listed struct {
	Index         int    // its number in a source
	Model         string // of its sensor, such as imx708
	ID            string // where it is, a name that stays
	Width, Height int    // of the sensor
	Modes         []Mode
}

// Mode is a size that the sensor gives, and how many pictures a second at most.
type Mode struct {
	Width, Height int
	FPS           float64
}

// listers are the programs that list cameras: of Bookworm and later, and before.
var listers = []string{"rpicam-hello", "libcamera-hello"}

const (
	listTime  = 10 * time.Second
	listBytes = 256 << 10
)

// List returns the cameras on the camera ports of the board. Without the
// programs of Raspberry Pi OS there are none that could be used.
func List(ctx context.Context) ([]Listed, error) {
	for _, name := range listers {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		return listWith(ctx, path, listTime)
	}
	return nil, nil
}

// listWith asks the program at path.
func listWith(ctx context.Context, path string, limit time.Duration) ([]Listed, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--list-cameras")
	cmd.WaitDelay = time.Second // for pipes that its children keep
	out, said := &head{}, &head{}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	found := parseList(out.String() + "\n" + said.String()) // some versions print to one, some to the other
	switch {
	case len(found) > 0:
		return found, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s --list-cameras does not end within %v: restart the board", path, limit)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !strings.Contains(strings.ToLower(out.String()+said.String()), "no cameras available"):
		return nil, fmt.Errorf("%s --list-cameras fails (%w): %s", path, err, lastLine(said.String()))
	}
	return nil, nil
}

// head keeps the beginning of what is written.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	_, err := io.CopyN(&h.Buffer, bytes.NewReader(p), int64(min(len(p), listBytes-h.Len())))
	return len(p), err
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(s, "?")), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

var (
	// 0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)
	cameraLine = regexp.MustCompile(`^(\d{1,3}) : (\S+) (?:\[(\d{1,5})x(\d{1,5})[^\]]*\] )?\((.+)\)\s*$`)
	// Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]
	modeLine = regexp.MustCompile(`(\d{1,5})x(\d{1,5}) \[(\d{1,5}(?:\.\d{1,4})?) fps`)
)

// parseList reads what the programs print.
func parseList(text string) []Listed {
	var out []Listed
	for line := range strings.Lines(strings.ToValidUTF8(text, "?")) {
		line = strings.TrimRight(line, "\r\n")
		if m := cameraLine.FindStringSubmatch(line); m != nil {
			out = append(out, Listed{Index: whole(m[1]), Model: m[2], Width: whole(m[3]), Height: whole(m[4]), ID: m[5]})
			continue
		}
		if m := modeLine.FindStringSubmatch(line); m != nil && len(out) > 0 {
			fps, _ := strconv.ParseFloat(m[3], 64) // digits
			last := &out[len(out)-1]
			last.Modes = append(last.Modes, Mode{whole(m[1]), whole(m[2]), fps})
		}
	}
	return out
}

// whole reads a few digits; none are 0.
func whole(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
