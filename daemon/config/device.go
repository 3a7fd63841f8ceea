package config

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Sense is what a device gives: pictures or sound.
type Sense string

// The senses.
const (
	Sight   Sense = "camera"
	Hearing Sense = "microphone"
)

// Device is a parsed `source:` string: SCHEME:PATH?OPTION=VALUE&...
type Device struct {
	Scheme string
	Path   string
	values map[string]string
}

// valueKind is what an option's value must look like.
type valueKind int

const (
	whole    valueKind = iota // 7
	number                    // 2.5
	duration                  // 1s
	size                      // 640x480
	truth                     // true, false; the bare name is true
	word                      // one of the option's words
	text                      // anything that prints
)

type option struct {
	kind   valueKind
	lo, hi float64  // bounds of whole, number and duration (in seconds)
	words  []string // of word
}

type scheme struct {
	sense    Sense
	path     string // what the path is; empty: there is none
	optional bool   // the path
	list     bool   // no path, and options as in NAME:A=1,B=2
	address  bool   // scheme and path are an address as browsers know them
	options  map[string]option
}

// schemes returns the devices that can be named and their options.
func schemes() map[string]scheme {
	fps := option{kind: number, lo: 0.01, hi: 120}
	yes := option{kind: truth}
	frames := option{kind: size}
	return map[string]scheme{
		"replay": {sense: Sight, path: "a folder of pictures, a picture or a video clip",
			options: map[string]option{"fps": fps, "loop": yes, "lossless": yes}},
		"v4l2": {sense: Sight, path: "a device such as /dev/video0, or the name of a camera", options: withControls(map[string]option{
			"fps": fps, "size": frames, "format": {kind: word, words: []string{"yuyv", "uyvy", "nv12", "yuv420", "rgb24", "bgr24", "grey", "mjpeg"}}})},
		"file": {sense: Sight, path: "a folder of pictures, a picture or a video clip",
			options: map[string]option{"fps": fps, "loop": yes, "lossless": yes}},
		"lepton": {sense: Sight, list: true,
			options: map[string]option{"spi": {kind: text}, "i2c": {kind: text}, "mhz": {kind: number, lo: 2.2, hi: 20}}},
		"arducam": {sense: Sight, list: true,
			options: map[string]option{"spi": {kind: text}, "i2c": {kind: text}, "mhz": {kind: number, lo: 0.1, hi: 8}, "fps": {kind: number, lo: 0.01, hi: 30},
				"size": {kind: word, words: []string{"320x240", "640x480", "800x600", "1024x768", "1600x1200"}}}},
		"scene": {sense: Sight,
			options: map[string]option{"fps": fps, "size": frames, "seed": {kind: whole, lo: 0, hi: 1 << 53}, "night": yes, "lossless": yes,
				"script": {kind: word, words: []string{"still", "walks", "dusk", "flicker", "rain"}},
				"place":  {kind: word, words: []string{"grass", "street", "room", "snow", "beach", "plain"}}}},
		"libcamera": {sense: Sight, path: "the number of the camera, 0 for the first", optional: true,
			options: map[string]option{"fps": fps, "size": frames, "format": {kind: word, words: []string{"mjpeg", "yuv420"}}, "rotation": {kind: word, words: []string{"0", "180"}}}},
		"rtsp": {sense: Sight, path: "the address of a camera, such as //USER@camera.lan/stream1,", address: true,
			options: map[string]option{"fps": fps, "size": frames, "frames": {kind: word, words: []string{"auto", "key", "all"}}, "sound": yes, "password_file": {kind: text}}},
		"http": {sense: Sight, path: "the address of a camera, such as //camera.lan/snapshot.jpg,", address: true,
			options: map[string]option{"fps": fps, "password_file": {kind: text}}},
		"https": {sense: Sight, path: "the address of a camera, such as //camera.lan/snapshot.jpg,", address: true,
			options: map[string]option{"fps": fps, "password_file": {kind: text}, "ca_file": {kind: text}}},
		"exec": {sense: Hearing, path: "a program and its arguments",
			options: map[string]option{"format": {kind: word, words: []string{"s16le", "s24le", "s32le", "f32le"}}, "rate": {kind: whole, lo: 4000, hi: 384000},
				"channels": {kind: whole, lo: 1, hi: 8}, "once": yes}},
		"wav": {sense: Hearing, path: "a WAV file or a folder of them",
			options: map[string]option{"gap": {kind: duration, lo: 0, hi: 3600}, "loop": yes, "lossless": yes}},
		"portaudio": {sense: Hearing, path: "the name of an input, or default", optional: true,
			options: map[string]option{"channels": {kind: whole, lo: 1, hi: 8}, "rate": {kind: whole, lo: 4000, hi: 384000}, "stuck-after": {kind: duration, lo: 0, hi: 86400}}},
	}
}

// Controls returns the knobs of v4l2 cameras that options may set. Which of them
// a camera has, and their bounds, is known when it is opened.
func Controls() []string {
	return []string{"brightness", "contrast", "saturation", "hue", "gamma", "sharpness", "backlight", "white_balance", "gain", "exposure",
		"focus", "zoom", "pan", "tilt", "hflip", "vflip", "power_line"}
}

func withControls(options map[string]option) map[string]option {
	for _, name := range Controls() {
		options[name] = option{kind: text}
	}
	return options
}

// ParseDevice reads a source string. The error names what is wrong with it.
func ParseDevice(s string) (Device, error) {
	d, what, hint := parseDevice(s)
	if what == "" {
		return d, nil
	}
	return Device{}, fmt.Errorf("source %q: %s; %s", s, what, hint)
}

func parseDevice(s string) (d Device, what, hint string) {
	known := schemes()
	names := slices.Sorted(maps.Keys(known))
	head, rest, ok := strings.Cut(s, ":")
	if !ok {
		return d, fmt.Sprintf("%q does not begin with a kind of device and a colon", s),
			"write one of " + strings.Join(names, ":, ") + ":, for example v4l2:/dev/video0"
	}
	sch, ok := known[head]
	if !ok {
		hint, list := suggest(head, names), "possible are "+strings.Join(names, ", ")
		if hint != list {
			hint += " " + list
		}
		return d, fmt.Sprintf("%q is no kind of device", head), hint
	}
	d.Scheme = head
	if sch.list {
		d.values, what, hint = parseOptions(head, strings.ReplaceAll(strings.TrimPrefix(rest, "?"), ",", "&"), sch.options)
		return d, what, hint
	}
	path, query, _ := strings.Cut(rest, "?")
	if strings.HasPrefix(path, "///") && !sch.address {
		path = path[2:] // file URLs are written so
	}
	unescape := url.PathUnescape
	if sch.address {
		unescape = unescapeAddress
	}
	path, err := unescape(path)
	switch {
	case err != nil:
		return d, fmt.Sprintf("the path of %q has a wrong percent sign", s), "write %25 for %"
	case strings.ContainsRune(path, 0):
		return d, "the path has a zero byte", "leave it out"
	case sch.path == "" && path != "":
		return d, fmt.Sprintf("%s: takes no path, but has %q", head, path), "options follow a question mark, as in " + head + ":?fps=2"
	case sch.path != "" && path == "" && !sch.optional:
		return d, head + ": has no path", "write " + sch.path + " after the colon"
	}
	values, what, hint := parseOptions(head, query, sch.options)
	if sch.address && what != "" {
		hint += "; a question mark of the camera's own address is written %3F"
	}
	return Device{Scheme: head, Path: path, values: values}, what, hint
}

// unescapeAddress turns only the question mark back that would begin our
// options: other percent signs are the camera's.
func unescapeAddress(s string) (string, error) {
	return strings.NewReplacer("%3F", "?", "%3f", "?").Replace(s), nil
}

func parseOptions(head, query string, options map[string]option) (values map[string]string, what, hint string) {
	values = map[string]string{}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, has := strings.Cut(part, "=")
		o, ok := options[name]
		if !ok {
			known := slices.Sorted(maps.Keys(options))
			if len(known) == 0 {
				return nil, fmt.Sprintf("%q is no option of %s:", name, head), "it takes none"
			}
			return nil, fmt.Sprintf("%q is no option of %s:", name, head), suggest(name, known)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Sprintf("the option %s is given twice", name), "keep one"
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return nil, fmt.Sprintf("the option %s has a wrong percent sign", name), "write %25 for %"
		}
		if !has && o.kind == truth {
			value = "true"
		}
		if hint := o.refuse(value); hint != "" {
			return nil, fmt.Sprintf("the option %s cannot be %q", name, value), hint
		}
		values[name] = value
	}
	return values, "", ""
}

// refuse returns what to write instead of v, or "" when v is good.
func (o option) refuse(v string) string {
	in := func(x float64) bool { return x >= o.lo && x <= o.hi } // false for NaN
	switch o.kind {
	case whole:
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || !in(float64(n)) {
			return fmt.Sprintf("write a whole number from %g to %g", o.lo, o.hi)
		}
	case number:
		if x, err := strconv.ParseFloat(v, 64); err != nil || !in(x) {
			return fmt.Sprintf("write a number from %g to %g", o.lo, o.hi)
		}
	case duration:
		if t, err := time.ParseDuration(v); err != nil || !in(t.Seconds()) {
			return fmt.Sprintf("write a time such as 1.5s, from %gs to %gs", o.lo, o.hi)
		}
	case size:
		if _, _, ok := parseSize(v); !ok {
			return "write width and height such as 640x480, each from 16 to 8192"
		}
	case truth:
		if v != "true" && v != "false" {
			return "write true or false"
		}
	case text:
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return "write a name"
		}
	case word:
		if !slices.Contains(o.words, v) {
			return suggest(v, o.words)
		}
	}
	return ""
}

func parseSize(v string) (w, h int, ok bool) {
	a, b, ok := strings.Cut(v, "x")
	w, err1 := strconv.Atoi(a)
	h, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || w < 16 || w > 8192 || h < 16 || h > 8192 {
		return 0, 0, false
	}
	return w, h, true
}

// Sense tells what the device gives; "" for the zero Device.
func (d Device) Sense() Sense {
	if d.Bool("sound") { // of something that has both
		return Hearing
	}
	return schemes()[d.Scheme].sense
}

// String returns the device as it is written in the file.
func (d Device) String() string {
	s := d.Scheme + ":"
	escape := strings.NewReplacer("%", "%25", "?", "%3F")
	if schemes()[d.Scheme].address {
		escape = strings.NewReplacer("?", "%3F")
	} else if strings.HasPrefix(d.Path, "///") {
		s += "//" // which reading takes off
	}
	s += escape.Replace(d.Path)
	sep, next := "?", "&"
	if schemes()[d.Scheme].list {
		sep, next = "", ","
	}
	for _, k := range slices.Sorted(maps.Keys(d.values)) {
		s += sep + k + "=" + url.QueryEscape(d.values[k])
		sep = next
	}
	return s
}

// Has tells whether an option is set.
func (d Device) Has(name string) bool { _, ok := d.values[name]; return ok }

// Text returns an option as it was written, or def when it is not set.
func (d Device) Text(name, def string) string {
	if v, ok := d.values[name]; ok {
		return v
	}
	return def
}

// Int returns a whole number, or def when it is not set.
func (d Device) Int(name string, def int64) int64 {
	if n, err := strconv.ParseInt(d.values[name], 10, 64); err == nil {
		return n
	}
	return def
}

// Float returns a number, or def when it is not set.
func (d Device) Float(name string, def float64) float64 {
	if x, err := strconv.ParseFloat(d.values[name], 64); err == nil && !math.IsNaN(x) {
		return x
	}
	return def
}

// Duration returns a time, or def when it is not set.
func (d Device) Duration(name string, def time.Duration) time.Duration {
	if t, err := time.ParseDuration(d.values[name]); err == nil {
		return t
	}
	return def
}

// Bool returns whether an option is true; one that is not set is false.
func (d Device) Bool(name string) bool { return d.values[name] == "true" }

// Size returns width and height, or the given ones when they are not set.
func (d Device) Size(name string, width, height int) (w, h int) {
	if w, h, ok := parseSize(d.values[name]); ok {
		return w, h
	}
	return width, height
}
