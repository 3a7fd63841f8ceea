package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sensed/daemon/broker"
	"sensed/daemon/config"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
	"sensed/daemon/pipeline"
	"sensed/deploy/models/tiny"
)

// tools looks for the programs that some sources need.
func (e *examination) tools(context.Context) {
	var have, missing []string
	look := func(names ...string) bool {
		for _, n := range names {
			if path, err := exec.LookPath(n); err == nil {
				have = append(have, path)
				return true
			}
		}
		return false
	}
	wants := func(schemes ...string) bool {
		return e.config != nil && slices.ContainsFunc(e.config.Sources, func(s config.Source) bool { return slices.Contains(schemes, s.Device.Scheme) })
	}
	if !look("rpicam-vid", "libcamera-vid") && wants("libcamera") {
		missing = append(missing, "rpicam-vid for the camera port (apt-get install rpicam-apps-lite)")
	}
	if !look("ffmpeg") && wants("rtsp") {
		missing = append(missing, "ffmpeg for network cameras (apt-get install ffmpeg)")
	}
	switch {
	case len(missing) > 0:
		e.fail("camera stack", "missing are "+strings.Join(missing, " and "), "install them")
	case len(have) == 0:
		e.ok("camera stack", "neither rpicam-vid nor ffmpeg is there, and nothing needs them")
	default:
		e.ok("camera stack", "%s", strings.Join(have, ", "))
	}
}

// sources tries each configured source, or asks the daemon that has it open.
func (e *examination) sources(ctx context.Context) {
	if e.config == nil {
		e.listed(ctx)
		return
	}
	for _, s := range e.config.Sources {
		if e.running != nil && e.running.Node == e.config.Node {
			e.watched(s.Name)
			continue
		}
		e.try(ctx, s)
	}
}

// listed tells what devices there are when no source says which are wanted.
func (e *examination) listed(ctx context.Context) {
	h := thisMachine()
	l := h.look(ctx)
	e.ok("devices", "%d cameras, %d microphones, %d buses", len(l.Cameras), len(l.Microphones), len(l.Buses))
	for _, p := range l.Problems {
		e.warn("devices", p, "")
	}
	for _, c := range l.Cameras {
		if c.Problem != "" {
			e.warn("devices", c.Device+": "+c.Problem, "")
		}
	}
}

// watched is what the daemon says of a source.
func (e *examination) watched(name string) {
	check := "source " + name
	for _, s := range e.running.Sources {
		if s.Name != name {
			continue
		}
		words := fmt.Sprintf("the daemon says: %s; %d seen, %d answered", because(s.State, s.Why), s.Seen, s.Answered)
		switch s.State {
		case "absent", "lost", "failed":
			e.fail(check, words, "sensed devices lists what is there")
		default:
			e.ok(check, "%s", words)
		}
		return
	}
	e.warn(check, "the daemon does not know it", "sensed reload lets it read the configuration again")
}

// listening is how long a microphone is heard.
const listening = 3 * time.Second

// try takes a picture, or some seconds of sound.
func (e *examination) try(ctx context.Context, s config.Source) {
	check := "source " + s.Name
	dev, err := makeDevice(s.Device, e.log)
	if err != nil {
		e.fail(check, err.Error(), "")
		return
	}
	c := Capture{Source: s.Device.String(), Length: listening, Wait: findingTime}
	var about string
	if dev.camera != nil {
		about, err = c.picture(ctx, dev.camera, kindJPEG, io.Discard)
	} else {
		about, err = c.sound(ctx, dev.microphone, io.Discard)
	}
	switch {
	case err != nil:
		e.fail(check, err.Error(), "sensed devices lists what is there, sensed capture tries it")
	case strings.Contains(about, "nothing:"):
		e.warn(check, about, "turn it on and up (alsamixer, F4); or it is another input that hears (sensed devices)")
	default:
		e.ok(check, "%s", about)
	}
}

// broker logs in.
func (e *examination) broker(ctx context.Context) {
	const check = "broker"
	switch {
	case e.config == nil:
		return
	case e.config.Broker.URL == "":
		e.ok(check, "the one inside sensed, at %s, for this machine only", e.config.Broker.Listen)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, findingTime)
	defer cancel()
	at, err := mqtt.Login(ctx, publishing(e.config, e.config.Broker.URL, e.log))
	switch {
	case err != nil:
		e.fail(check, err.Error(), "set it right in the section broker; events wait in the outbox meanwhile")
	case at != e.config.Broker.URL && len(e.config.Broker.Fallbacks) > 0:
		e.warn(check, "only the fallback "+at+" lets the node in", "see to "+e.config.Broker.URL)
	default:
		e.ok(check, "%s lets the node in", at)
	}
}

// endToEnd lets the demonstration model see a drawing, and a broker on loopback
// take what it says: all the parts of the daemon, without any device.
func (e *examination) endToEnd(ctx context.Context) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 2*findingTime)
	defer cancel()
	if err := e.oneCaption(ctx); err != nil {
		e.fail("end to end", err.Error(), "this is a fault of sensed or of the machine: please report it, with sensed doctor --bundle")
		return
	}
	e.ok("end to end", "a drawing became a caption at a broker in %s", took(float64(time.Since(began).Milliseconds())))
}

func (e *examination) oneCaption(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "sensed-doctor-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	data, err := fs.ReadFile(tiny.Files(), doctorSample)
	if err != nil {
		return err
	}
	scene := filepath.Join(folder, "scene.png")
	if err := os.WriteFile(scene, data, 0o600); err != nil {
		return err
	}
	c, err := config.Parse("doctor", []byte("node: doctor\nsources: [{name: scene, source: 'file:"+scene+"?lossless', tasks: [{kind: caption}], gate: {always: true}}]\n"))
	if err != nil {
		return err
	}
	engine, err := Model{}.open(e.log)
	if err != nil {
		return err
	}
	defer release(engine, e.log)
	b, err := broker.Start(broker.Options{Addr: "127.0.0.1:0", Log: e.log})
	if err != nil {
		return err
	}
	defer b.Close()
	box, err := outbox.Open(outbox.Options{Log: e.log})
	if err != nil {
		return err
	}
	defer box.Close()
	o := publishing(c, b.URL(), e.log)
	o.Outbox = box
	publisher, err := mqtt.New(o)
	if err != nil {
		return err
	}
	stop := inBackground(func(ctx context.Context) { _ = publisher.Run(ctx) }) // it never fails
	defer stop()
	s, err := sources(c, e.log)
	if err != nil {
		return err
	}
	p, err := pipeline.New(pipeline.Options{Node: c.Node, Engine: engine, Publisher: publisher, Sources: s, Log: e.log, Once: true})
	if err != nil {
		return err
	}
	if err := p.Run(ctx); err != nil {
		return err
	}
	if n := p.Stats(); n.Answered != 1 {
		return fmt.Errorf("the model was asked once and answered %d times (%d failures)", n.Answered, n.Failed)
	}
	stop() // which delivers the rest
	if n := publisher.Stats(); n.Delivered == 0 || n.Waiting() > 0 {
		return fmt.Errorf("the broker took %d messages, and %d are left", n.Delivered, n.Waiting())
	}
	return nil
}

// doctorSample is the drawing that the doctor shows.
const doctorSample = "samples/scene1.png"
