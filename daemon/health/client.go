package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Refusal is a no of the daemon.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

// maxAnswer bounds what a client reads.
const maxAnswer = 4 << 20

// Client asks a daemon at its control socket.
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client of the daemon at that socket. It connects to nothing.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close ends the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the snapshot. Raw is what came.
func (c *Client) Status(ctx context.Context) (s Snapshot, raw []byte, err error) {
	raw, err = c.ask(ctx, http.MethodGet, "/status")
	if err != nil {
		return s, nil, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, nil, fmt.Errorf("what answers at %s is not sensed: %w", c.socket, err)
	}
	return s, raw, nil
}

// Reload lets the daemon read its configuration again, and puts what it answers
// into result.
func (c *Client) Reload(ctx context.Context, result any) error {
	raw, err := c.ask(ctx, http.MethodPost, "/reload")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("what answers at %s is not sensed: %w", c.socket, err)
	}
	return nil
}

func (c *Client) ask(ctx context.Context, method, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://sensed"+path, nil)
	if err != nil {
		return nil, err
	}
	a, err := c.http.Do(r)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("you may not talk to sensed at %s: use sudo, or join its group (sudo usermod -aG sensed $USER, then log in again)", c.socket)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nobody listens at %s (sudo systemctl start sensed; or --socket names another)", ErrNotRunning, c.socket)
	case err != nil:
		return nil, fmt.Errorf("sensed does not answer at %s: %w", c.socket, err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("sensed does not answer at %s: %w", c.socket, err)
	}
	if a.StatusCode == http.StatusOK {
		return body, nil
	}
	var f failure
	if json.Unmarshal(body, &f) == nil && f.Error != "" {
		return nil, &Refusal{f.Error}
	}
	return nil, fmt.Errorf("sensed answers %s %s with %s: %s", method, path, a.Status, strings.TrimSpace(string(body)))
}
