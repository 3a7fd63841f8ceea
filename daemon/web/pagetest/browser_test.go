// Package pagetest looks at the page with a real browser, headless Chromium, as
// its users do: at the program's own demonstration, and at a server with things
// on it that a demonstration does not have.
package pagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience bounds waits for things that take seconds at most; it only decides how
// long a failing test takes.
const patience = 4 * time.Minute

var (
	browser context.Context // in which a context is a tab
	program string          // the path of sensed
	scratch string          // a folder for the whole run
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if scratch, err = os.MkdirTemp("", "sensed-page-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	program = filepath.Join(scratch, "sensed")
	if out, err := exec.Command("go", "build", "-o", program, "sensed/daemon/sensed").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	// The sandbox of Chromium does not work for root, and what it shows is ours.
	// Without the other options a test would depend on which tab was last in front.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox,
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.Flag("lang", "en-GB"))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocated)
	defer end()
	if err := chromedp.Do(browser); err != nil {
		return 0, fmt.Errorf("the browser does not start (deploy/setup.sh test installs it): %w", err)
	}
	return m.Run(), nil
}

// tab is a page that somebody looks at.
type tab struct {
	t   testing.TB
	ctx context.Context
	url string
}

// look opens a page in a browser session of its own, width by height pixels large.
func look(t testing.TB, url string, width, height int64) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	p := &tab{t, ctx, url}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return p
}

// reload loads the page again and returns when it is there.
func (p *tab) reload() {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Reload()); err != nil {
		p.t.Fatal(err)
	}
}

// open goes to another view of the page.
func (p *tab) open(view string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf("(location.hash = %q, true)", "#/"+view))
	p.wait(fmt.Sprintf("document.querySelector('main.%s') !== null", strings.Split(strings.Split(view, "/")[0], "?")[0]))
}

// dark says whether the reader likes it dark.
func (p *tab) dark(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// eval returns what an expression is on the page; promises are waited for.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true on the page.
func (p *tab) wait(expression string) {
	p.t.Helper()
	if err := p.poll("Boolean("+expression+")", patience); err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.t.Fatalf("%v\nThe page says:\n%s", err, text)
	}
}

var errNever = errors.New("it never becomes true")

func (p *tab) poll(expression string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", expression, errNever)
		case err != nil:
			return fmt.Errorf("%s: %w", expression, err)
		case ok:
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// demo is the program, showing itself.
type demo struct {
	cmd    *exec.Cmd
	url    string // of the page
	broker string // host:port
}

var pageURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)
var brokerURL = regexp.MustCompile(`(?:mqtt|tcp)://(127\.0\.0\.1:\d+)`)

// startDemo runs `sensed demo`.
func startDemo(t testing.TB) *demo {
	t.Helper()
	said, err := os.CreateTemp(scratch, "demo")
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{cmd: exec.Command(program, "demo", "--page", "0")}
	d.cmd.Stdout, d.cmd.Stderr = said, said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end := syscall.SIGKILL
		if t.Failed() {
			end = syscall.SIGQUIT // then it says where it was
		}
		_ = d.cmd.Process.Signal(end)
		_ = d.cmd.Wait() // killed
		said.Close()
		if t.Failed() {
			text, _ := os.ReadFile(said.Name())
			t.Logf("sensed demo said at the end:\n%s", text[max(0, len(text)-40_000):])
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(said.Name())
		if err != nil {
			t.Fatal(err)
		}
		page, broker := pageURL.Find(text), brokerURL.FindSubmatch(text)
		if page != nil && broker != nil {
			d.url, d.broker = string(page), string(broker[1])
			return d
		}
		if time.Now().After(end) {
			t.Fatalf("sensed demo does not say where its page is:\n%s", text)
		}
	}
}
