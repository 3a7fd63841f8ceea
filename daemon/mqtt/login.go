package mqtt

import (
	"context"
	"errors"
	"log/slog"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Login tells whether a broker lets the node in, and which. It disturbs no daemon
// that is connected: it comes under another client id, and publishes nothing. The
// error is a sentence for the owner of the board.
func Login(ctx context.Context, o Options) (broker string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	o.setDefaults()
	o.ClientID += "-login"
	p := &Publisher{opts: o, log: slog.New(slog.DiscardHandler)}
	if p.endpoints, err = o.endpoints(); err != nil {
		return "", err
	}
	var all failures
	for _, e := range p.endpoints {
		s := &session{p: p, at: e, lost: make(chan error, 1)}
		err := s.login(ctx, paho.NewClientOptions())
		if err == nil {
			s.client.Disconnect(0)
			return e.url.Redacted(), nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		all = append(all, failure{e, err})
	}
	return "", errors.New(p.explainAll(all))
}
