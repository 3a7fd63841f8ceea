package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/pipeline"
	"sensed/daemon/web"
	"sensed/devices"
	"sensed/kernels"
)

// PasswordFile is where the password of the page is kept when no configuration
// says otherwise: in the service's folder, and for who runs sensed by hand in
// their own.
func PasswordFile() string {
	const service = "/var/lib/sensed"
	folder := os.Getenv("STATE_DIRECTORY")
	if !filepath.IsAbs(folder) {
		folder = service
		if _, err := os.Stat(service); err != nil || os.Geteuid() != 0 {
			folder = os.Getenv("XDG_STATE_HOME")
			if home, err := os.UserHomeDir(); !filepath.IsAbs(folder) && err == nil {
				folder = filepath.Join(home, ".local", "state")
			}
			folder = filepath.Join(folder, "sensed")
		}
	}
	return filepath.Join(folder, "web.password")
}

// passwordFile is where a configuration has the password of the page.
func passwordFile(w config.Web) string {
	if w.PasswordFile != "" {
		return w.PasswordFile
	}
	return PasswordFile()
}

// newHub is what the page is told; nil: there is no page. close is to be called
// when nobody tells it anything any more.
func newHub(c *config.Config, log *Log) (hub *web.Hub, close func()) {
	close = func() {}
	if c.Web.Listen == config.WebOff {
		return nil, close
	}
	o := web.HubOptions{Cards: c.Web.Cards, Bytes: c.Web.Megabytes << 20, Pictures: c.Web.Timeline.Keep == config.KeepPictures, Log: log.Logger}
	if a := openArchive(c.Web, log.Logger); a != nil {
		o.Archive, close = a, a.close
	}
	return web.NewHub(o), close
}

// openPage serves the page that a configuration asks for. Without it the daemon
// works all the same.
func (d *daemon) openPage(c config.Web, terminal func(string)) (*web.Server, error) {
	o := web.Options{
		Listen: c.Listen, Prefix: c.Prefix, Hosts: c.Hosts, Password: passwordFile(c), Hub: d.hub,
		Node: d.pageNode, Sources: d.pageSources, Switches: d.pageSwitches, Command: d.pageCommand,
		Health: d.monitor, Model: d.pageModel, Lines: d.log.ring.last, Log: d.log.Logger,
	}
	if d.path != "" {
		o.Editor = &editor{d: d, path: d.path}
	}
	exposed := web.Exposed(c.Listen)
	var err error
	switch {
	case c.TLS == "off" || c.TLS == "auto" && !exposed && c.CertFile == "":
		if exposed {
			d.log.Warn("the page and its password go over the network in the clear; set web.tls, unless a proxy in front does that", "listen", c.Listen)
		}
	case c.CertFile != "":
		o.TLS, err = web.TLSFromFiles(c.CertFile, c.KeyFile)
	default:
		var fingerprint string
		o.TLS, fingerprint, err = web.SelfMade(filepath.Join(filepath.Dir(PasswordFile()), "web.pem"), c.Hosts)
		if err == nil {
			d.log.Info("the page has a certificate that sensed made; compare this when the browser asks", "sha256", fingerprint)
		}
	}
	if err != nil {
		return nil, err
	}
	if exposed {
		d.firstPassword(o.Password, terminal)
	}
	s, err := web.Serve(o)
	if err != nil {
		return nil, err
	}
	d.log.ring.tell(d.hub.Logged)
	d.log.Info("the page is at "+s.URL(), "listen", c.Listen)
	return s, nil
}

// firstPassword makes a password when there is none and somebody sits at the
// terminal to read it; a log would keep it.
func (d *daemon) firstPassword(path string, terminal func(string)) {
	set, err := web.PasswordSet(path)
	switch {
	case err != nil:
		d.log.Error("nobody can log in to the page, because its password cannot be read", "err", err)
	case set:
	case terminal == nil:
		d.log.Warn("nobody can log in to the page before a password is set: sensed web password")
	default:
		password := web.NewPassword()
		if err := web.WritePassword(path, password); err != nil {
			d.log.Error("nobody can log in to the page", "err", err)
			return
		}
		terminal(fmt.Sprintf("The password of the page, shown this once: %s\n(sensed web password sets another one.)\n", password))
	}
}

// onPage is a publisher that shows events on the page, too.
type onPage struct {
	pipeline.Publisher
	hub *web.Hub
}

// Publish shows an event and hands it on.
func (p onPage) Publish(ctx context.Context, e event.Event) error {
	p.hub.Event(e)
	return p.Publisher.Publish(ctx, e)
}

// show lets the page see what a pipeline does.
func (d *daemon) show(o *pipeline.Options) {
	if d.hub == nil {
		return
	}
	eyes := onlooker{d.hub, map[string]bool{}}
	for _, s := range o.Sources {
		eyes.cameras[s.Name] = s.OpenCamera != nil
	}
	o.Publisher = onPage{o.Publisher, d.hub}
	o.Onlooker = eyes
	o.Illustrate = func(id string, f devices.Frame) { d.hub.Illustrate(id, f.Image) }
	o.Writing = d.hub.Writing
	opened := o.Opened
	o.Opened = func(source string, open bool) {
		if !open {
			d.hub.Closed(source)
		}
		if opened != nil {
			opened(source, open)
		}
	}
}

// onlooker lets the page look through the cameras.
type onlooker struct {
	hub     *web.Hub
	cameras map[string]bool // by source
}

// Looks tells whether somebody looks at a page.
func (l onlooker) Looks(source string) bool {
	if l.cameras[source] {
		return l.hub.Looks(source)
	}
	return l.hub.Listens()
}

// Saw shows a picture.
func (l onlooker) Saw(source string, v pipeline.View) {
	size := v.Frame.Image.Bounds().Size()
	p := web.Picture{
		Image: v.Frame.Image, Width: size.X, Height: size.Y, Time: v.Frame.Time, Sample: v.Frame.Name,
		Area: math.Round(v.Area*1e4) / 1e4, Moving: v.Moving,
	}
	if v.Heat != nil {
		p.Heat = &web.Heat{Width: v.HeatWidth, Height: v.HeatHeight, Cells: v.Heat}
	}
	if t := v.Frame.Thermal; t != nil {
		if r, ok := t.Reading(); ok {
			p.Image, p.Thermal = greyOf(t, r), &web.Scale{Min: r.Min, Max: r.Max}
		}
	}
	l.hub.Show(source, p)
}

// Heard shows how loud it is.
func (l onlooker) Heard(source string, loud gate.Loudness, speech bool) {
	tenth := func(x float64) float64 { return math.Round(10*max(x, -100)) / 10 }
	l.hub.Level(web.Level{Source: source, Time: loud.Time, Level: tenth(loud.Mean), Peak: tenth(loud.Peak), Speech: speech})
}

// greyOf is a picture of temperatures: black is the lowest, white the highest.
// What is not known is black.
func greyOf(t *devices.Thermal, r devices.Reading) image.Image {
	g := image.NewGray(image.Rect(0, 0, t.Width, t.Height))
	span := max(r.Max-r.Min, 0.01)
	for i, v := range t.Centikelvin[:min(len(t.Centikelvin), len(g.Pix))] {
		if v != 0 {
			g.Pix[i] = uint8(math.Round(255 * (devices.Celsius(v) - r.Min) / span))
		}
	}
	return g
}

// newBoot names a run of the program.
func newBoot() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (d *daemon) pageNode() web.Node {
	return web.Node{
		Node: d.Node(), Program: d.program, Started: d.began, Now: time.Now(), Boot: d.boot,
		Model: d.model().Name, Loading: d.engine.Load() == nil, Config: d.path != "",
	}
}

// pageSources are the sources as the page shows them.
func (d *daemon) pageSources() []web.Source {
	now := d.now.Load()
	if now == nil {
		return pageSources(d.first)
	}
	out := pageSources(now.config)
	for i, s := range now.pipeline.Stats().Sources { // the pipeline keeps their order
		if i < len(out) && s.State != "" {
			out[i].State = s.State
		}
		out[i].Why, out[i].Seen, out[i].Asked, out[i].Answered = s.Why, s.Seen, s.Asked, s.Answered
	}
	return out
}

// pageSources are the sources of a configuration as the page shows them.
func pageSources(c *config.Config) []web.Source {
	out := []web.Source{}
	for _, s := range c.Sources {
		w := web.Source{
			Name: s.Name, Sense: string(s.Device.Sense()), State: "starting", Device: s.Device.String(), Thermal: s.Device.Scheme == "lepton",
			Tasks: []web.Task{}, Blackout: corners(s.Blackout), Zones: []web.Polygon{}, Masks: []web.Polygon{},
		}
		if m := s.Gate.Motion; m != nil {
			w.Zones, w.Masks = corners(m.Zones), corners(m.Masks)
		}
		for _, t := range s.Tasks {
			w.Tasks = append(w.Tasks, web.Task{Name: t.Name, Kind: t.Kind, Labels: t.Labels})
		}
		out = append(out, w)
	}
	return out
}

func corners(areas []config.Area) []web.Polygon {
	out := []web.Polygon{}
	for _, a := range polygons(areas) {
		p := web.Polygon{}
		for _, c := range a {
			p = append(p, [2]float64{c.X, c.Y})
		}
		out = append(out, p)
	}
	return out
}

func (d *daemon) pageSwitches() []command.Setting {
	if now := d.now.Load(); now != nil {
		return now.switches.Settings()
	}
	return []command.Setting{}
}

// pageCommand does what the page asks, as if it came over MQTT.
func (d *daemon) pageCommand(ctx context.Context, r command.Request) (command.Reply, bool) {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.serving, cancel)()
	reply, ok := d.center.Do(working, r, nil)
	if ok && r.Command == command.Restart && reply.Status == event.Done {
		d.log.Info("sensed starts again, as it was asked on the page")
		context.AfterFunc(ctx, func() { d.restart(ErrRestart) }) // when it is answered
	}
	return reply, ok
}

func (d *daemon) pageModel() web.Model {
	m, now := d.origin.model(), d.model()
	out := web.Model{Name: now.Name, File: now.File, SHA256: m.SHA256, Quant: m.Quant, Kernels: now.Kernels, Table: []web.Kernel{}, Choices: []web.Choice{}}
	for _, name := range kernels.Sets() {
		out.Table = append(out.Table, web.Kernel{Name: name, Active: name == now.Kernels})
	}
	for _, c := range kernels.Choices() {
		out.Choices = append(out.Choices, web.Choice{Operation: c.Operation, Weights: append([]string{}, c.Weights...), Kernel: c.Set})
	}
	return out
}

// servePage serves the page until the returned function is called; url is "" when
// there is none.
func (d *daemon) servePage(c config.Web, terminal func(string)) (url string, stop func()) {
	if d.hub == nil {
		return "", func() {}
	}
	s, err := d.openPage(c, terminal)
	if err != nil {
		d.log.Warn("going on without it", "err", err)
		return "", func() {}
	}
	stopHub := inBackground(d.hub.Run)
	return s.URL(), func() {
		stopHub() // says goodbye
		d.log.ring.tell(nil)
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			d.log.Debug("the page was not closed well", "err", err)
		}
	}
}
