package pagetest

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// keyboard goes through the page with the keyboard alone.
func keyboard(t *testing.T, d *demo) {
	p := look(t, d.url, 1000, 800)
	p.wait("document.querySelector('.camera')")
	press := func(keys string) {
		t.Helper()
		if err := chromedp.Do(p.ctx, chromedp.KeyEvent(keys)); err != nil {
			t.Fatal(err)
		}
	}
	focus := func(what string) {
		t.Helper()
		p.wait("document.activeElement?.matches(" + what + ")")
	}
	press(kb.Tab)
	focus("'.skip'")
	press(kb.Enter)
	focus("'main'")
	press(kb.Tab)
	focus("'.toolbar input'")
	was := eval[bool](p, "document.activeElement.checked")
	press(" ")
	if eval[bool](p, "document.activeElement.checked") == was {
		t.Error("the space bar does not change what is drawn")
	}

	eval[bool](p, "(document.querySelector('.rail a[href=\"#/health\"]').focus(), true)")
	press(kb.Enter)
	p.wait("document.querySelector('main.health .area') && document.querySelector('[data-series=total_ms]').getAttribute('d')")
	eval[bool](p, "(document.querySelector('.area').focus(), true)")
	press(kb.ArrowLeft)
	p.wait("document.querySelector('.plot .reading').textContent.includes('·')")

	p.open("timeline")
	p.wait("document.querySelector('.events > li')")
	eval[bool](p, "(document.querySelector('.track input').focus(), true)")
	press(kb.ArrowLeft)
	p.wait("location.hash.includes('to=')")
}
