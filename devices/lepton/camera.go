package lepton

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sensed/devices"
)

const (
	// readPackets are read at a time: a buffer of the kernel holds 4096 bytes.
	readPackets = 24
	// idle is how long nothing may be read for the module to find its place.
	idle = 200 * time.Millisecond
	// pause is waited when there was nothing; 61 packets come within 9 ms.
	pause = time.Millisecond
	// lostPlace is how long no run may come (a 2.x sends one in 38 ms), and patience how many packets in a
	// row may be broken, before the module has lost its place.
	lostPlace = 150 * time.Millisecond
	patience  = 3 * packetsInRun
)

// Next returns the next picture.
func (d *Dev) Next(ctx context.Context) (devices.Frame, error) {
	if d.halted {
		return devices.Frame{}, fmt.Errorf("%s: it is closed", d)
	}
	if d.err != nil {
		return devices.Frame{}, d.err
	}
	began, before := d.o.Clock.Now(), d.stream.runs
	whole, runs := began, before // when the last run came whole
	for {
		if err := ctx.Err(); err != nil {
			return devices.Frame{}, err
		}
		now := d.o.Clock.Now()
		if d.stream.runs != runs {
			whole, runs = now, d.stream.runs
		}
		if now.Sub(began) > d.o.Silence {
			return devices.Frame{}, d.fail(d.silence(runs > before))
		}
		if now.Sub(whole) > lostPlace || d.stream.damaged > patience {
			d.o.Log.Debug("reading starts anew", "camera", d.name, "damaged", d.stream.damaged)
			d.stream.restart()
			d.rest, d.resync = nil, true
		}
		anew := d.resync
		if err := d.read(ctx); err != nil {
			return devices.Frame{}, d.fail(err)
		}
		if anew {
			whole = d.lastRead // the time counts from here
		}
		if f, ok := d.look(); ok {
			return f, nil
		}
	}
}

// fail remembers an error that the camera does not recover from.
func (d *Dev) fail(err error) error {
	if errors.Is(err, devices.ErrLost) {
		d.err = err
	}
	return err
}

// silence says why there is no picture; came is whether runs came all the same.
func (d *Dev) silence(came bool) error {
	why := "the module sends nothing: check MISO, clock and chip select, or switch its power off and on"
	switch {
	case came && d.seq > 0 && d.stream.damaged < patience:
		why = "the module sends the same picture again and again: switch its power off and on"
	case d.stream.faulty > 0:
		why = fmt.Sprintf("%d packets were broken: use shorter wires or a lower speed, and let nothing else use the port", d.stream.faulty)
	}
	return fmt.Errorf("%s: no new picture for %v: %s: %w", d, d.o.Silence, why, devices.ErrLost)
}

// read fetches packets, unless there are some.
func (d *Dev) read(ctx context.Context) error {
	if len(d.rest) > 0 {
		return nil
	}
	if d.resync {
		if err := d.o.Clock.Until(ctx, d.lastRead.Add(idle)); err != nil {
			return err
		}
		d.resync = false
	}
	if err := d.spi.Tx(nil, d.buf); err != nil {
		return fmt.Errorf("%s: the SPI port fails (%w): %w", d, err, devices.ErrLost)
	}
	d.rest, d.lastRead = d.buf, d.o.Clock.Now()
	for p := range slices.Chunk(d.buf, packetSize) {
		if !discarded(p) {
			return nil
		}
	}
	d.rest = nil
	return d.o.Clock.Until(ctx, d.lastRead.Add(pause))
}

// look goes through the packets that were read up to a new picture.
func (d *Dev) look() (devices.Frame, bool) {
	for len(d.rest) > 0 {
		p := d.stream.push(d.rest[:packetSize])
		d.rest = d.rest[packetSize:]
		if p != nil && !slices.Equal(p.values, d.shown) {
			return d.deliver(p), true
		}
	}
	return devices.Frame{}, false
}

// deliver makes a frame of new values.
func (d *Dev) deliver(p *points) devices.Frame {
	d.shown = append(d.shown[:0], p.values...)
	d.seq++
	if now := d.o.Clock.Now(); now.After(d.last) { // the clock may be set back
		d.last = now
	}
	f := devices.Frame{Time: d.last, Seq: d.seq, Image: d.gain.picture(p)}
	if d.degrees {
		f.Thermal = &devices.Thermal{Width: p.width, Height: p.height, Centikelvin: slices.Clone(p.values)} // given away
	}
	return f
}
