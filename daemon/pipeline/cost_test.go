package pipeline_test

import (
	"bytes"
	"image/jpeg"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/gate"
	"sensed/devices"
	"sensed/devices/mjpeg"
	"sensed/devices/scene"
	"sensed/devices/wave"
)

// processor is what this process has used so far. On a busy machine it says more
// than the clock on the wall.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCamera is what a USB camera costs of which nothing is asked: 640x480
// MJPEG at 10 pictures a second, its glance, a blackout and the motion gate.
func BenchmarkCamera(b *testing.B) {
	src, err := scene.New(scene.Opts{Seed: 3, Script: scene.Walks})
	if err != nil {
		b.Fatal(err)
	}
	var pictures [][]byte
	for i := range 20 {
		var file bytes.Buffer
		if err := jpeg.Encode(&file, src.World().Draw(time.Duration(i)*100*time.Millisecond), &jpeg.Options{Quality: 85}); err != nil {
			b.Fatal(err)
		}
		pictures = append(pictures, file.Bytes())
	}
	motion, err := gate.NewMotion(gate.MotionOpts{})
	if err != nil {
		b.Fatal(err)
	}
	hidden, err := gate.NewBlackout([]gate.Polygon{{{X: 0, Y: 0}, {X: 0.2, Y: 0}, {X: 0, Y: 0.3}}})
	if err != nil {
		b.Fatal(err)
	}
	var thumb mjpeg.Thumb
	at := time.Now()
	b.ReportAllocs()
	began := processor(b)
	for i := 0; b.Loop(); i++ {
		gray, err := thumb.Decode(pictures[i%len(pictures)])
		if err != nil {
			b.Fatal(err)
		}
		at = at.Add(100 * time.Millisecond)
		f := devices.Frame{Time: at, Image: gray}
		hidden.Cover(&f)
		motion.Push(f.Time, f.Image)
	}
	b.ReportMetric(100*10*(processor(b)-began).Seconds()/float64(b.N), "%core")
}

// BenchmarkMicrophone is what a microphone costs that nobody speaks into: stereo
// at 48 kHz brought to 16 kHz, the speech gate and the level.
func BenchmarkMicrophone(b *testing.B) {
	convert, err := wave.NewConverter(48000, 2)
	if err != nil {
		b.Fatal(err)
	}
	speech, err := gate.NewSpeech(gate.SpeechOpts{})
	if err != nil {
		b.Fatal(err)
	}
	meter, err := gate.NewMeter(10 * time.Second)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	sound := make([]float32, 2*960*50)
	for i := range sound {
		sound[i] = float32(0.01 * rng.NormFloat64())
	}
	at := time.Now()
	began := processor(b)
	for i := 0; b.Loop(); i++ {
		from := i % 50 * 2 * 960
		samples := convert.Append(make([]float32, 0, 400), sound[from:from+2*960])
		speech.Push(at, samples, "")
		meter.Push(at, samples)
		at = at.Add(20 * time.Millisecond)
	}
	b.ReportMetric(100*50*(processor(b)-began).Seconds()/float64(b.N), "%core")
}
