package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"sensed/daemon/config"
	"sensed/daemon/web"
)

// WebPasswordOptions say how the password of the page is set.
type WebPasswordOptions struct {
	Config   string // file of the configuration; "": the usual place of the password
	Generate bool   // make one up and show it
}

// SetWebPassword sets the password of the page: asked for at the terminal, or
// the first line of in. A daemon that runs takes it at once, and ends all
// sessions.
func SetWebPassword(ctx context.Context, o WebPasswordOptions, in io.Reader, out, notes io.Writer) error {
	path := PasswordFile()
	if o.Config != "" {
		c, err := config.Load(o.Config)
		if err != nil {
			return as(BadConfig, err)
		}
		path = passwordFile(c.Web)
	}
	password, err := web.NewPassword(), error(nil)
	if !o.Generate {
		if password, err = askPassword(ctx, in, notes); err != nil {
			return err
		}
	}
	if err := web.CheckPassword(password); err != nil {
		return as(BadInput, err)
	}
	if err := web.WritePassword(path, password); err != nil {
		return err
	}
	if o.Generate {
		if _, err := fmt.Fprintln(out, password); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(notes, "The password of the page is set (its hash is in %s); whoever was logged in has to log in again.\n", path)
	return err
}

// askPassword asks twice at a terminal, and else reads a line.
func askPassword(ctx context.Context, in io.Reader, notes io.Writer) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("the password cannot be read: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("the password cannot be read: %w", err)
	}
	// Who interrupts gets his terminal back as it was.
	defer context.AfterFunc(ctx, func() { _ = term.Restore(int(f.Fd()), before) })()
	var given [2]string
	for i, prompt := range []string{"New password of the page: ", "Once more: "} {
		fmt.Fprint(notes, prompt)
		typed, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(notes)
		if err != nil {
			return "", fmt.Errorf("the password cannot be read: %w", err)
		}
		given[i] = string(typed)
	}
	if given[0] != given[1] {
		return "", Errorf(BadInput, "these are two passwords; nothing has changed")
	}
	return given[0], nil
}
