//go:build linux

package rtsp

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/child"
)

// network is how long ffmpeg waits for the camera within a connection.
const network = 10 * time.Second

// start runs ffmpeg on one kind of what the camera sends, video or audio.
func (s *Source) start(media string, output []string) (*child.Process, error) {
	address := *s.url
	var hide []string
	if s.o.Password != nil {
		password, err := s.o.Password()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		address.User = url.UserPassword(s.url.User.Username(), password)
		_, escaped, _ := strings.Cut(escape(address.User.String()), ":")
		hide = append(hide, ":"+escaped+"@")
	}
	if s.url.RawQuery != "" {
		hide = append(hide, "?"+escape(s.url.RawQuery))
	}
	args := []string{
		"-nostdin", "-hide_banner", "-loglevel", "error",
		// Nothing on this machine, whatever the camera sends.
		"-protocol_whitelist", "pipe,rtsp,rtp,tcp",
		"-fflags", "nobuffer",
	}
	run, err := child.Start(child.Opts{
		Program: "ffmpeg", Args: append(args, output...), Hide: hide,
		Input: playlist(address.String(), media),
	})
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%s: the program ffmpeg, which decodes it, is not here: install it (sudo apt install ffmpeg): %w", s, devices.ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return run, nil
}

// playlist is what ffmpeg reads: https://ffmpeg.org/ffmpeg-formats.html#concat
func playlist(address, media string) string {
	return "ffconcat version 1.0\n" +
		"file " + escape(address) + "\n" +
		"option rtsp_transport tcp\n" +
		"option timeout " + strconv.FormatInt(network.Microseconds(), 10) + "\n" +
		"option allowed_media_types " + media + "\n" +
		"option fpsprobesize 0\n" // nobody needs the rate, which takes seconds to guess
}

// escape writes the characters of an address that mean something in a list as
// the address may have them too.
func escape(address string) string {
	return strings.NewReplacer("'", "%27", `\`, "%5C", " ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D").Replace(address)
}

// videoArgs make a stream of plain pictures: full-range BT.601, which is what
// image.YCbCr means.
func (s *Source) videoArgs(keys bool) []string {
	var in []string
	if keys {
		in = []string{"-skip_frame", "nokey"}
	}
	// What comes before the first key frame is differences to nothing.
	choose := "st(0,max(ld(0),key))"
	if s.o.FPS > 0 { // the first of each interval, by the clock of the camera: no jitter drops one
		fps := strconv.FormatFloat(s.o.FPS, 'f', -1, 64)
		choose += "*(isnan(prev_selected_t)+gt(floor(t*" + fps + "),floor(prev_selected_t*" + fps + "))+lt(t,prev_selected_t))"
	}
	scale := "scale=out_color_matrix=bt601:out_range=full"
	if s.o.Width > 0 {
		scale += fmt.Sprintf(":w='min(iw,%d)':h='min(ih,%d)':force_original_aspect_ratio=decrease:force_divisible_by=2", s.o.Width, s.o.Height)
	}
	filter := []string{"select='" + choose + "'", scale, "format=yuvj420p"}
	return append(in,
		"-max_pixels", strconv.FormatInt(maxMemory/3, 10),
		"-f", "concat", "-safe", "0", "-i", "pipe:0",
		"-map", "0:v:0", "-an", "-sn", "-dn",
		"-vf", strings.Join(filter, ","), "-fps_mode", "passthrough",
		"-f", "yuv4mpegpipe", "-strict", "-1", "-flush_packets", "1", "pipe:1")
}

// soundArgs make a stream of samples as the senses deliver them.
func soundArgs() []string {
	return []string{
		"-f", "concat", "-safe", "0", "-i", "pipe:0",
		"-map", "0:a:0", "-vn", "-sn", "-dn",
		"-ac", "1", "-ar", strconv.Itoa(devices.SampleRate),
		"-f", "s16le", "-flush_packets", "1", "pipe:1",
	}
}
