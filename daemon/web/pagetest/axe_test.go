package pagetest

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// accessible lets axe-core (https://github.com/dequelabs/axe-core, testdata/axe-core-LICENSE)
// look at what a page shows.
var axe = sync.OnceValues(func() (string, error) {
	f, err := os.Open("testdata/axe-core-4.14.1.min.js.gz")
	if err != nil {
		return "", err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	script, err := io.ReadAll(unpacked)
	return string(script), err
})

// accessible looks at each view, on a screen by day and on a phone by night.
func accessible(t *testing.T, d *demo) {
	for _, r := range []struct {
		width int64
		dark  bool
	}{{1280, false}, {360, true}} {
		p := look(t, d.url, r.width, 800)
		p.dark(r.dark)
		where := fmt.Sprintf("%d wide, dark %t", r.width, r.dark)
		for _, v := range views {
			p.open(v)
			p.wait("document.querySelector('main').childElementCount > 1 && !document.querySelector('main > .empty')")
			if v == "ask" {
				p.wait("document.querySelector('#ask-source option')")
				eval[bool](p, "(document.querySelector('[name=mode][value=detect]').click(), document.querySelector('form').requestSubmit(), true)")
				p.wait("document.querySelector('.answers [aria-busy=false]')")
			}
			faults(t, p, v+", "+where)
			if v == "timeline" {
				p.wait("document.querySelector('.events > li a')")
				eval[bool](p, "(document.querySelector('.events > li a').click(), true)")
				p.wait("document.querySelector('.one article')")
				faults(t, p, "one card, "+where)
			}
		}
		p.open("nothing")
		faults(t, p, "a view that is not there, "+where)
	}
}

// narrow makes the page one on a phone by night, or on a screen by day.
func (p *tab) narrow(phone bool) {
	p.t.Helper()
	width := int64(1280)
	if phone {
		width = 360
	}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 800)); err != nil {
		p.t.Fatal(err)
	}
	p.dark(phone)
}

// fault is what axe found.
type fault struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"`
}

func faults(t *testing.T, p *tab, where string) {
	t.Helper()
	if !eval[bool](p, "'axe' in window") {
		script, err := axe()
		if err != nil {
			t.Fatal(err)
		}
		if err := chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
			t.Fatal(err)
		}
	}
	found := eval[[]fault](p, `axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => (
		{ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => n.html + ' ' + n.failureSummary) })))`)
	for _, f := range found {
		if f.Impact == "serious" || f.Impact == "critical" {
			t.Errorf("%s: %s (%s): %s %q", where, f.ID, f.Impact, f.Help, f.Nodes)
		} else {
			t.Logf("%s: %s (%s): %s", where, f.ID, f.Impact, f.Help)
		}
	}
}
