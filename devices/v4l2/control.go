//go:build linux && (amd64 || arm64)

package v4l2

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// knob is a control of cameras under the name that it has in [Opts].
type knob struct {
	name string
	ids  []uint32 // of the kernel; cameras have one of them
	auto uint32   // of the control that lets the camera decide; 0: there is none
	// words that may stand for numbers.
	words map[string]int32
}

// knobs are the controls that can be set, in the order in which they are.
func knobs() []knob {
	onOff := map[string]int32{"true": 1, "false": 0}
	return []knob{
		{"brightness", []uint32{cidBase}, 0, nil},
		{"contrast", []uint32{cidBase + 1}, 0, nil},
		{"saturation", []uint32{cidBase + 2}, 0, nil},
		{"hue", []uint32{cidBase + 3}, cidBase + 25, nil},
		{"gamma", []uint32{cidBase + 16}, 0, nil},
		{"sharpness", []uint32{cidBase + 27}, 0, nil},
		{"backlight", []uint32{cidBase + 28}, 0, nil},
		{"white_balance", []uint32{cidBase + 26}, cidBase + 12, nil},
		{"gain", []uint32{cidBase + 19, cidAnalogueGain}, cidBase + 18, nil},
		{"exposure", []uint32{cidExposureAbsolute, cidBase + 17}, cidExposureAuto, nil},
		{"focus", []uint32{cidCamera + 10}, cidCamera + 12, nil},
		{"zoom", []uint32{cidCamera + 13}, 0, nil},
		{"pan", []uint32{cidCamera + 8}, 0, nil},
		{"tilt", []uint32{cidCamera + 9}, 0, nil},
		{"hflip", []uint32{cidBase + 20}, 0, onOff},
		{"vflip", []uint32{cidBase + 21}, 0, onOff},
		{"power_line", []uint32{cidBase + 24}, 0, map[string]int32{"off": 0, "50hz": 1, "60hz": 2, "auto": 3}},
	}
}

// Controls returns the names that [Opts.Controls] may have.
func Controls() []string {
	var names []string
	for _, k := range knobs() {
		names = append(names, k.name)
	}
	return names
}

// setting is a knob and what it is to be.
type setting struct {
	knob
	auto  bool
	value int32
}

// settings reads the controls of the options.
func settings(wanted map[string]string) ([]setting, error) {
	var out []setting
	for _, k := range knobs() {
		text, ok := wanted[k.name]
		if !ok {
			continue
		}
		s := setting{knob: k}
		word, isWord := k.words[strings.ToLower(text)]
		n, err := strconv.ParseInt(text, 10, 32)
		switch {
		case isWord:
			s.value = word
		case k.auto != 0 && strings.EqualFold(text, "auto"):
			s.auto = true
		case err != nil:
			return nil, fmt.Errorf("%s is %q: %s", k.name, text, k.hint())
		default:
			s.value = int32(n)
		}
		out = append(out, s)
	}
	for name := range wanted {
		if !slices.Contains(Controls(), name) {
			return nil, fmt.Errorf("there is no control %q: choose one of %s", name, strings.Join(Controls(), ", "))
		}
	}
	return out, nil
}

// hint says what a knob may be.
func (k *knob) hint() string {
	var words []string
	for w := range k.words {
		words = append(words, w)
	}
	slices.Sort(words)
	if k.auto != 0 {
		words = append(words, "auto")
	}
	return "write " + strings.Join(append(words, "a whole number"), " or ")
}

// setControls turns the knobs, each of which is checked against what the camera
// has.
func (c *camera) setControls() error {
	for _, s := range c.src.settings {
		if err := c.set(s); err != nil {
			return err
		}
	}
	return nil
}

func (c *camera) set(s setting) error {
	if s.knob.auto != 0 {
		has, err := c.setAuto(s)
		if err != nil {
			return err
		}
		if s.auto {
			if !has {
				return fmt.Errorf("%s (%s): the camera cannot set %s by itself: give a number", c.src, c.card, s.name)
			}
			return nil
		}
	}
	for _, id := range s.ids {
		q, ok, err := c.query(id)
		switch {
		case err != nil:
			return err
		case !ok:
			continue
		case s.value < q.minimum || s.value > q.maximum:
			return fmt.Errorf("%s (%s): %s=%d is out of bounds: give a number from %d to %d (the camera's own is %d)",
				c.src, c.card, s.name, s.value, q.minimum, q.maximum, q.standard)
		}
		return c.turn(s.name, id, s.value)
	}
	return fmt.Errorf("%s (%s): the camera has no control %s: leave it out, or use another one: it has %s", c.src, c.card, s.name, c.has())
}

// setAuto lets the camera decide about a knob, or not. It tells whether the
// camera could.
func (c *camera) setAuto(s setting) (has bool, err error) {
	q, has, err := c.query(s.knob.auto)
	if err != nil || !has {
		return has, err
	}
	value := int32(0)
	switch {
	case s.knob.auto == cidExposureAuto && s.auto:
		// Webcams know the third only, other cameras the first.
		if value = exposureAuto; c.offers(q.id, exposureAperture) {
			value = exposureAperture
		}
	case s.knob.auto == cidExposureAuto:
		value = exposureManual
	case s.auto:
		value = 1
	}
	return true, c.turn(s.name, q.id, value)
}

// query asks for a control; ok is false when the camera does not have it, or
// does not let it be set.
func (c *camera) query(id uint32) (q queryControl, ok bool, err error) {
	q.id = id
	err = c.port.ioctl(vidiocQueryCtrl, unsafe.Pointer(&q))
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY):
		return q, false, nil
	case err != nil:
		return q, false, c.src.explain(stepControls, err)
	}
	return q, q.flags&(controlDisabled|controlReadOnly) == 0, nil
}

// offers tells whether a menu has an entry.
func (c *camera) offers(id uint32, index uint32) bool {
	m := queryMenu{id: id, index: index}
	return c.port.ioctl(vidiocQueryMenu, unsafe.Pointer(&m)) == nil
}

func (c *camera) turn(name string, id uint32, value int32) error {
	v := control{id: id, value: value}
	if err := c.port.ioctl(vidiocSetCtrl, unsafe.Pointer(&v)); err != nil {
		return c.src.explain("set "+name, err)
	}
	return nil
}

// has lists the knobs of the camera.
func (c *camera) has() string {
	var names []string
	for _, k := range knobs() {
		if slices.ContainsFunc(k.ids, func(id uint32) bool { _, ok, err := c.query(id); return ok && err == nil }) {
			names = append(names, k.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

type queryControl struct {
	id       uint32
	typ      uint32
	name     [32]byte
	minimum  int32
	maximum  int32
	step     int32
	standard int32
	flags    uint32
	reserved [2]uint32
}

// queryMenu is v4l2_querymenu, which is packed: the number in its union is not
// used here.
type queryMenu struct {
	id       uint32
	index    uint32
	name     [32]byte
	reserved uint32
}

type control struct {
	id    uint32
	value int32
}

const (
	cidBase             = 0x00980900
	cidCamera           = 0x009a0900
	cidExposureAuto     = cidCamera + 1
	cidExposureAbsolute = cidCamera + 2
	cidAnalogueGain     = 0x009e0903

	exposureAuto     = 0
	exposureManual   = 1
	exposureAperture = 3

	controlDisabled = 0x1
	controlReadOnly = 0x4

	vidiocSetCtrl   = iocRead | iocWrite | unsafe.Sizeof(control{})<<16 | 'V'<<8 | 28
	vidiocQueryCtrl = iocRead | iocWrite | unsafe.Sizeof(queryControl{})<<16 | 'V'<<8 | 36
	vidiocQueryMenu = iocRead | iocWrite | unsafe.Sizeof(queryMenu{})<<16 | 'V'<<8 | 37
)
