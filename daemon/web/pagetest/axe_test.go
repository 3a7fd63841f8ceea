package pagetest

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// accessible lets axe-core (https://github.com/dequelabs/axe-core, testdata/axe-core-LICENSE)
// look at each view, on a screen by day and on a phone by night.
func accessible(t *testing.T, d *demo) {
	f, err := os.Open("testdata/axe-core-4.14.1.min.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	axe, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		width int64
		dark  bool
	}{{1280, false}, {360, true}} {
		p := look(t, d.url, r.width, 800)
		p.dark(r.dark)
		if err := chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](string(axe))); err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			p.open(v)
			p.wait("document.querySelector('main').childElementCount > 1 && !document.querySelector('main > .empty')")
			faults(t, p, fmt.Sprintf("%s, %d wide, dark %t", v, r.width, r.dark))
		}
	}
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
