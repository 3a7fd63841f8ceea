package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sensed/daemon/app"
	"sensed/daemon/health"
)

// redraw is how often the live view looks.
const redraw = time.Second

// askLimit is how long the daemon may take to answer.
const askLimit = 10 * time.Second

func statusCommand() command {
	return command{
		name:    "status",
		args:    "[--once] [--json] [--socket PATH]",
		summary: "show how the running daemon is doing",
		about: `
Asks the daemon that runs on this machine: model and speed, heat, supply and
memory of the board, what is shed because the board is short of something, the
broker and the outbox, and each source with its last words. On a terminal it
shows this live, until Ctrl-C; elsewhere once.`,
		example: `
sensed status
sensed status --json | jq .problems`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			socket := socketFlag(f)
			once := f.Bool("once", false, "show it once, also on a terminal")
			asJSON := f.Bool("json", false, "print the state as one JSON object, as on sensed/NODE/health")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				c := health.NewClient(*socket)
				defer c.Close()
				if *asJSON {
					_, raw, err := status(ctx, c)
					if err == nil {
						_, err = s.out.Write(raw)
					}
					return err
				}
				if width, _ := terminal(s.out); width > 0 && !*once {
					return live(ctx, c, s.out)
				}
				now, _, err := status(ctx, c)
				if err == nil {
					_, err = io.WriteString(s.out, app.StatusView(now, 0, false))
				}
				return err
			}
		},
	}
}

func reloadCommand() command {
	return command{
		name:    "reload",
		args:    "[--socket PATH]",
		summary: "let the running daemon read its configuration again",
		about: `
The daemon reads its file again and uses what has changed, without dropping the
loaded model: sources, tasks, gates, pins, broker, log level. What needs a restart
is named. A file with a mistake is refused with line and column, and the daemon
goes on with what it had. The service does the same on systemctl reload sensed.`,
		example: `
sensed reload`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			socket := socketFlag(f)
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				c := health.NewClient(*socket)
				defer c.Close()
				ctx, cancel := context.WithTimeout(ctx, time.Minute) // what is at work has to end
				defer cancel()
				var r app.Reloaded
				if err := c.Reload(ctx, &r); err != nil {
					return unreachable(err)
				}
				_, err := fmt.Fprintln(s.out, r)
				return err
			}
		},
	}
}

func socketFlag(f *flag.FlagSet) *string {
	return f.String("socket", app.ControlSocket(), "`PATH` of the daemon's control socket (health.socket of its\nconfiguration)")
}

func status(ctx context.Context, c *health.Client) (health.Snapshot, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	s, raw, err := c.Status(ctx)
	return s, raw, unreachable(err)
}

// unreachable gives an error of a client its class.
func unreachable(err error) error {
	var no *health.Refusal
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, health.ErrNotRunning):
		return app.Errorf(app.NotRunning, "%w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("sensed does not answer in time: %w", err)
	case errors.As(err, &no):
		return app.Errorf(app.BadConfig, "%w", err)
	}
	return err
}

// live draws the state in place until ctx ends, which is no error.
func live(ctx context.Context, c *health.Client, out io.Writer) error {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	lines := 0
	for {
		s, _, err := status(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		width, height := terminal(out)
		text := head(app.StatusView(s, width, colorful(out)), height-1)
		back := ""
		if lines > 0 {
			back = fmt.Sprintf("\x1b[%dA", lines)
		}
		if _, err := io.WriteString(out, back+"\r\x1b[J"+text); err != nil {
			return err
		}
		lines = strings.Count(text, "\n")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// head returns the first lines of a text: what scrolls away cannot be redrawn.
func head(text string, lines int) string {
	end := 0
	for range lines {
		i := strings.IndexByte(text[end:], '\n')
		if i < 0 {
			return text
		}
		end += i + 1
	}
	return text[:end]
}

// terminal returns the columns and rows of the terminal that w is, 0 if it is
// none.
func terminal(w io.Writer) (width, height int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0, 0
	case size.Col == 0 || size.Row == 0: // a serial line does not know
		return 80, 24
	}
	return int(size.Col), int(size.Row)
}
