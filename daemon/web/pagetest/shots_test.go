package pagetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestScreenshots makes the pictures of the documents, in the folder that
// SENSED_SCREENSHOTS names; without it there is nothing to do.
//
//	SENSED_SCREENSHOTS=$PWD/deploy/docs go test -run Screenshots ./daemon/web/pagetest
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("SENSED_SCREENSHOTS")
	if folder == "" {
		t.Skip("SENSED_SCREENSHOTS names no folder")
	}
	d := startDemo(t)
	shoot := func(p *tab, name string) {
		t.Helper()
		quality := int64(80)
		shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
		if err != nil {
			t.Fatal(err)
		}
		if len(shot.Data) > 100_000 {
			t.Errorf("%s takes %d bytes", name, len(shot.Data))
		}
		if err := os.WriteFile(filepath.Join(folder, "page-"+name+".webp"), shot.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wide := look(t, d.url, 1200, 760)
	wide.wait("document.querySelector('.camera .things li') && document.querySelectorAll('.said li').length > 2")
	// hold stops the page at a moment at which all of it is about one picture, as it
	// stops when its reader leaves.
	const hold = `(async () => {
		const whole = () => {
			const c = document.querySelector('.camera .over')
			return !document.querySelector('.growing') && document.querySelector('.camera .things li') && c.width > 0 &&
				c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v)
		}
		while (!whole()) await new Promise((next) => setTimeout(next, 10))
		dispatchEvent(new Event('pagehide'))
		await new Promise((next) => setTimeout(next, 500))
		return Boolean(whole()) || (dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true })), false)
	})()`
	wide.wait(hold)
	shoot(wide, "live")
	wide = look(t, d.url, 1200, 760)
	wide.open("timeline")
	wide.wait("document.querySelectorAll('.events img').length > 3 && document.querySelector('.events img').complete")
	shoot(wide, "timeline")
	wide.open("ask")
	wide.wait("document.querySelector('#ask-source option')")
	eval[bool](wide, "(document.querySelector('[name=mode][value=detect]').click(), document.querySelector('form').requestSubmit(), true)")
	wide.wait("document.querySelector('.answers img')?.naturalWidth > 0")
	shoot(wide, "ask")
	wide.open("switches")
	wide.wait("document.querySelector('.setting')")
	shoot(wide, "switches")
	wide.dark(true)
	wide.open("health")
	wide.wait("document.querySelector('[data-series=total_ms]')?.getAttribute('d')?.includes('L')")
	shoot(wide, "health")
	phone := look(t, d.url, 360, 740)
	phone.dark(true)
	phone.wait("document.querySelector('.camera')")
	phone.wait(hold)
	shoot(phone, "phone")
	settings := configure(t).tab
	settings.wait("document.querySelector('#config-text')?.value.includes('node: shed')")
	eval[bool](settings, "((a) => (a.value = a.value.replace('every: 1h', 'every: 5m'), a.dispatchEvent(new Event('input')), true))(document.querySelector('#config-text'))")
	settings.wait("document.querySelector('.diff .added')")
	shoot(settings, "config")
}
