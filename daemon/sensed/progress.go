package main

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"sensed/daemon/modelstore"
)

// progress shows how far something is: end takes it away again.
type progress interface {
	modelstore.Watcher
	end()
}

// showProgress draws a bar on a terminal and writes lines elsewhere.
func showProgress(out io.Writer) progress {
	if width, _ := terminal(out); width > 0 {
		return newBar(out, width)
	}
	return &lines{out: out}
}

// bar is a line that is drawn again and again.
type bar struct {
	all *mpb.Progress
	now *mpb.Bar // nil: none
}

// barWidth is the most columns of the drawn part.
const barWidth = 40

func newBar(out io.Writer, width int) *bar {
	return &bar{all: mpb.New(mpb.WithOutput(out), mpb.WithWidth(min(barWidth, width/3)), mpb.WithAutoRefresh(), mpb.WithRefreshRate(200*time.Millisecond))}
}

func (b *bar) Start(name string, size int64) {
	b.drop()
	if letters := []rune(name); len(letters) > 32 {
		name = string(letters[:31]) + "…"
	}
	b.now = b.all.AddBar(size,
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.CountersKiloByte(" % .1f / % .1f "), decor.AverageSpeed(decor.SizeB1000(0), "% .1f ", decor.WC{}), decor.AverageETA(decor.ET_STYLE_GO)),
	)
}

func (b *bar) Add(n int64) {
	if b.now != nil {
		b.now.IncrInt64(n)
	}
}

func (b *bar) Say(what string) { _, _ = fmt.Fprintln(b.all, what) }

// drop takes a bar that is not full away.
func (b *bar) drop() {
	if b.now != nil && !b.now.Completed() {
		b.now.Abort(true)
	}
	b.now = nil
}

func (b *bar) end() {
	b.drop()
	b.all.Wait()
}

// unknownStep is how often lines tell of a file whose size is not known, in bytes.
const unknownStep = 100_000_000

// lines writes a line for each tenth.
type lines struct {
	out              io.Writer
	name             string
	size, done, next int64
}

func (l *lines) Start(name string, size int64) {
	if l.name != name || l.size != size {
		of := ""
		if size > 0 {
			of = ": " + modelstore.Size(size)
		}
		l.Say(name + of)
	}
	l.name, l.size, l.done = name, size, 0
	l.next = l.step()
}

func (l *lines) step() int64 {
	if l.size > 0 {
		return max(1, (l.size+9)/10)
	}
	return unknownStep
}

func (l *lines) Add(n int64) {
	if l.done += n; l.done < l.next {
		return
	}
	for l.next <= l.done {
		l.next += l.step()
	}
	if l.size > 0 {
		l.next = max(l.done+1, min(l.next, l.size)) // the last tenth may be a little less
		l.Say(fmt.Sprintf("%s: %3d %% of %s", l.name, 100*l.done/l.size, modelstore.Size(l.size)))
		return
	}
	l.Say(fmt.Sprintf("%s: %s", l.name, modelstore.Size(l.done)))
}

func (l *lines) Say(what string) { _, _ = fmt.Fprintln(l.out, what) }

func (l *lines) end() {}
