package pagetest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sensed/daemon/web"
)

// TestEightPagesLeaveMemoryFlat holds eight pages open, each in a browser session
// of its own, for as long as SENSED_PAGES says (such as 5m; without it: a moment).
func TestEightPagesLeaveMemoryFlat(t *testing.T) {
	span := 12 * time.Second
	if s := os.Getenv("SENSED_PAGES"); s != "" {
		var err error
		if span, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	d := startDemo(t)
	var pages []*tab
	for range 8 {
		p := look(t, d.url, 800, 700)
		p.wait("document.querySelector('.camera .veil')?.hidden && document.querySelector('.said li')")
		pages = append(pages, p)
	}
	// The timeline fills its ring meanwhile, which is bounded and meant to.
	ring := func() int64 {
		var line web.Timeline
		fromAPI(pages[0], "timeline?limit=1", &line)
		return int64(line.Bytes)
	}
	// Go takes memory in waves; what counts is how low they fall.
	low := func(long time.Duration) (least int64) {
		for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if now := anonymous(t, d.cmd.Process.Pid); least == 0 || now < least {
				least = now
			}
		}
		return least
	}
	first, firstHeap, firstRing := low(span/4), heap(pages[7]), ring()
	low(span / 2)
	last, lastHeap, lastRing := low(span/4), heap(pages[7]), ring()
	for i, p := range pages {
		if !eval[bool](p, "document.querySelector('.banner').hidden && document.querySelector('.camera .veil').hidden") {
			t.Errorf("page %d of 8 has lost the daemon", i+1)
		}
	}
	t.Logf("%v: sensed needs %.1f MB and then %.1f MB, of that the timeline %.1f MB and then %.1f MB; a page %.2f MB and then %.2f MB",
		span, mb(first), mb(last), mb(firstRing), mb(lastRing), mb(firstHeap), mb(lastHeap))
	if grown := last - first - (lastRing - firstRing); grown > first/4 {
		t.Errorf("sensed has grown by %.1f MB beside its timeline, from %.1f MB", mb(grown), mb(first))
	}
	if grown := lastHeap - firstHeap; grown > 4<<20 {
		t.Errorf("a page has grown by %.1f MB", mb(grown))
	}
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// anonymous is the memory of a process that is not of a file, in bytes.
func anonymous(t testing.TB, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the kernel does not tell RssAnon")
	return 0
}

// heap is what a page needs after its garbage was collected, in bytes.
func heap(p *tab) int64 {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		p.t.Fatal(err)
	}
	use, err := chromedp.Call(p.ctx, runtime.GetHeapUsage, cdp.Empty{})
	if err != nil {
		p.t.Fatal(err)
	}
	return int64(use.UsedSize)
}

// BenchmarkPage measures what one open page costs the daemon beyond its pipeline
// (in percent of a core, over half a minute each) and how soon it is painted.
//
//	go test -run '^$' -bench Page -benchtime 1x ./daemon/web/pagetest
func BenchmarkPage(b *testing.B) {
	const span = 30 * time.Second
	d := startDemo(b)
	share := func() float64 {
		before := cpu(b, d.cmd.Process.Pid)
		time.Sleep(span)
		return 100 * float64(cpu(b, d.cmd.Process.Pid)-before) / float64(span)
	}
	for b.Loop() {
		time.Sleep(5 * time.Second) // the start is over
		alone := share()
		p := look(b, d.url, 1280, 900)
		p.wait("document.querySelector('.camera .veil')?.hidden")
		paint := eval[float64](p, "performance.getEntriesByName('first-contentful-paint')[0].startTime")
		view := eval[float64](p, "performance.getEntriesByName('view')[0].startTime")
		open := share()
		b.ReportMetric(alone, "%core-alone")
		b.ReportMetric(open, "%core-open")
		b.ReportMetric(open-alone, "%core-page")
		b.ReportMetric(paint, "ms-first-paint")
		b.ReportMetric(view, "ms-first-view")
	}
}

// cpu is the time that a process has computed.
func cpu(t testing.TB, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, err1 := strconv.ParseInt(f[11], 10, 64) // fields 14 and 15 of proc(5), in hundredths of a second
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
