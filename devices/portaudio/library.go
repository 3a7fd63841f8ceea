//go:build cgo

package portaudio

import (
	"context"
	"errors"
	"fmt"
	"time"

	pa "github.com/gordonklaus/portaudio"

	"sensed/devices"
)

// initialize begins a use of the library, which ends with pa.Terminate. The
// first makes the list of devices.
func initialize() error {
	quieten()
	if err := pa.Initialize(); err != nil {
		return fmt.Errorf("PortAudio does not start: %w", err)
	}
	return nil
}

// inputs lists the devices that can be opened for input, beside PortAudio's own
// description of them.
func inputs() ([]Device, []*pa.DeviceInfo, error) {
	all, err := pa.Devices()
	if err != nil {
		return nil, nil, fmt.Errorf("the sound devices cannot be listed: %w", err)
	}
	standard, err := pa.DefaultInputDevice()
	if err != nil && !errors.Is(err, pa.NoDefaultInputDevice) {
		return nil, nil, fmt.Errorf("the default microphone cannot be found: %w", err)
	}
	var found []Device
	var infos []*pa.DeviceInfo
	for _, d := range all {
		if d.MaxInputChannels < 1 {
			continue
		}
		found = append(found, Device{Name: d.Name, Channels: d.MaxInputChannels, Rate: d.DefaultSampleRate, Default: d == standard})
		infos = append(infos, d)
	}
	return found, infos, nil
}

func list(ctx context.Context, timeout time.Duration) ([]Device, error) {
	return within(ctx, timeout, errHangs, func() ([]Device, error) {
		if err := initialize(); err != nil {
			return nil, err
		}
		found, _, err := inputs()
		return found, errors.Join(err, pa.Terminate())
	}, func([]Device) {})
}

// latency is how much sound the device itself should hold for us: enough for a
// board whose cores all work on a model.
const latency = 200 * time.Millisecond

// running is a microphone and the stream that feeds it.
//
// The stream is read by a goroutine of its own with PortAudio's read calls, not
// by a callback: when a device dies, a read call says so, while PortAudio's ALSA
// thread would spin and print about it without end; and no real-time thread ever
// waits for Go's garbage collector.
type running struct {
	*microphone
	stream *pa.Stream
	buf    []float32     // that the stream reads into: one block
	quit   chan struct{} // closed to end the reading
	ended  chan struct{} // closed when it has
}

func open(ctx context.Context, o Opts) (*microphone, error) {
	r, err := within(ctx, o.Timeout, errHangs, func() (*running, error) {
		if err := initialize(); err != nil {
			return nil, err
		}
		present.list(o.Cards)
		r, err := start(o)
		if err != nil {
			if errors.Is(err, devices.ErrAbsent) {
				present.renew(o.Cards)
			}
			return nil, errors.Join(err, pa.Terminate())
		}
		present.enter(r.microphone)
		return r, nil
	}, func(r *running) {
		close(r.quit)
		_ = r.end() // nobody waits for the outcome
	})
	if err != nil {
		return nil, err
	}
	r.stop = func() error { return r.shut(o.Timeout) }
	return r.microphone, nil
}

// start opens the device and begins to read.
func start(o Opts) (*running, error) {
	found, infos, err := inputs()
	if err != nil {
		return nil, err
	}
	i, err := choose(found, o.Device)
	if err != nil {
		return nil, err
	}
	name := found[i].Name
	channels := o.Channels
	if channels == 0 {
		channels = min(2, found[i].Channels)
	}
	if channels > found[i].Channels {
		return nil, fmt.Errorf("microphone %q has %d channels, %d are asked for", name, found[i].Channels, channels)
	}
	rate := o.Rate
	if rate == 0 {
		rate = int(found[i].Rate)
	}
	m, err := newMicrophone(o, name, rate, channels)
	if err != nil {
		return nil, fmt.Errorf("microphone %q: %w", name, err)
	}
	r := &running{
		microphone: m,
		buf:        make([]float32, m.blockFrames()*channels),
		quit:       make(chan struct{}),
		ended:      make(chan struct{}),
	}
	r.stream, err = pa.OpenStream(pa.StreamParameters{
		Input:           pa.StreamDeviceParameters{Device: infos[i], Channels: channels, Latency: max(latency, infos[i].DefaultHighInputLatency)},
		SampleRate:      float64(rate),
		FramesPerBuffer: m.blockFrames(),
	}, r.buf)
	if err != nil {
		return nil, unusable(name, err)
	}
	if err := r.stream.Start(); err != nil {
		return nil, errors.Join(unusable(name, err), r.stream.Close())
	}
	go r.read()
	return r, nil
}

// unusable explains why a device that is there does not open.
func unusable(name string, err error) error {
	if errors.Is(err, pa.DeviceUnavailable) {
		return fmt.Errorf("%w: microphone %q is in use by another program or was just unplugged", devices.ErrAbsent, name)
	}
	return fmt.Errorf("microphone %q does not open: %w", name, reason(err))
}

// reason gives an error of the driver that has no text one.
func reason(err error) error {
	if err.Error() == "" {
		return errors.New("the sound driver reports an error without a name")
	}
	return err
}

// read hands over what the device hears until it is told to quit or the device
// fails. It looks whether a block is there before it fetches it, so that no call
// ever waits and Close is always prompt.
func (r *running) read() {
	defer close(r.ended)
	ticker := time.NewTicker(blockTime / 2)
	defer ticker.Stop()
	for {
		waiting, err := r.stream.AvailableToRead()
		if err == nil && waiting >= r.blockFrames() {
			heard := time.Now().Add(-frames(int64(waiting), r.rate))
			if err = r.stream.Read(); err == nil || errors.Is(err, pa.InputOverflowed) {
				r.push(r.buf, heard)
			}
		}
		if errors.Is(err, pa.InputOverflowed) {
			r.overflows.Add(1) // the device goes on
		} else if err != nil {
			r.broken <- reason(err)
			return
		}
		if waiting >= 2*r.blockFrames() { // there is more
			select {
			case <-r.quit:
				return
			default:
				continue
			}
		}
		select {
		case <-r.quit:
			return
		case <-ticker.C:
		}
	}
}

// shut ends the stream and a use of the library.
func (r *running) shut(limit time.Duration) error {
	close(r.quit)
	_, err := within(context.Background(), limit, errStays, func() (struct{}, error) {
		return struct{}{}, r.end()
	}, func(struct{}) {})
	if err != nil {
		return fmt.Errorf("portaudio: microphone %q does not close: %w", r.name, err)
	}
	return nil
}

// end waits until nobody reads and frees all.
func (r *running) end() error {
	<-r.ended
	present.leave(r.microphone)
	// A stream that has failed cannot be stopped, only closed.
	err := r.stream.Close()
	if err != nil {
		err = closePulled(r.stream)
	}
	return errors.Join(err, pa.Terminate())
}
