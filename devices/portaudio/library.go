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
	return within(ctx, timeout, func() ([]Device, error) {
		if err := initialize(); err != nil {
			return nil, err
		}
		found, _, err := inputs()
		return found, errors.Join(err, pa.Terminate())
	}, func([]Device) {})
}

// running is a microphone and the stream that feeds it.
type running struct {
	*microphone
	stream *pa.Stream
}

func open(ctx context.Context, o Opts) (*microphone, error) {
	r, err := within(ctx, o.Timeout, func() (running, error) {
		if err := initialize(); err != nil {
			return running{}, err
		}
		m, stream, err := start(o)
		if err != nil {
			return running{}, errors.Join(err, pa.Terminate())
		}
		return running{m, stream}, nil
	}, func(r running) {
		_ = end(r.stream) // nobody waits for the outcome
	})
	if err != nil {
		return nil, err
	}
	r.stop = func() error { return shut(o.Timeout, r.stream) }
	return r.microphone, nil
}

// start opens and starts the device.
func start(o Opts) (*microphone, *pa.Stream, error) {
	found, infos, err := inputs()
	if err != nil {
		return nil, nil, err
	}
	i, err := choose(found, o.Device)
	if err != nil {
		return nil, nil, err
	}
	channels := o.Channels
	if channels == 0 {
		channels = min(2, found[i].Channels)
	}
	if channels > found[i].Channels {
		return nil, nil, fmt.Errorf("microphone %q has %d channels, %d are asked for", found[i].Name, found[i].Channels, channels)
	}
	rate := o.Rate
	if rate == 0 {
		rate = int(found[i].Rate)
	}
	m, err := newMicrophone(o, found[i].Name, rate, channels)
	if err != nil {
		return nil, nil, fmt.Errorf("microphone %q: %w", found[i].Name, err)
	}
	stream, err := pa.OpenStream(pa.StreamParameters{
		Input:           pa.StreamDeviceParameters{Device: infos[i], Channels: channels, Latency: infos[i].DefaultHighInputLatency},
		SampleRate:      float64(rate),
		FramesPerBuffer: m.blockFrames(),
	}, func(in []float32, t pa.StreamCallbackTimeInfo) {
		// How long ago the first frame was heard, if the driver tells.
		age := t.CurrentTime - t.InputBufferAdcTime
		if least := frames(int64(len(in)/channels), rate); age < least || age > time.Second {
			age = least
		}
		m.push(in, time.Now().Add(-age))
	})
	if err != nil {
		return nil, nil, unusable(found[i].Name, err)
	}
	if err := stream.Start(); err != nil {
		return nil, nil, errors.Join(unusable(found[i].Name, err), stream.Close())
	}
	return m, stream, nil
}

// unusable explains why a device that is there does not open.
func unusable(name string, err error) error {
	if errors.Is(err, pa.DeviceUnavailable) {
		return fmt.Errorf("%w: microphone %q is in use by another program or was just unplugged", devices.ErrAbsent, name)
	}
	return fmt.Errorf("microphone %q does not open: %w", name, err)
}

// shut ends a stream and a use of the library.
func shut(limit time.Duration, stream *pa.Stream) error {
	_, err := within(context.Background(), limit, func() (struct{}, error) {
		return struct{}{}, end(stream)
	}, func(struct{}) {})
	if err != nil {
		return fmt.Errorf("portaudio: the microphone does not close: %w", err)
	}
	return nil
}

func end(stream *pa.Stream) error {
	return errors.Join(stream.Abort(), stream.Close(), pa.Terminate())
}
