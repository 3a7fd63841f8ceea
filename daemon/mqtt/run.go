package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// settled is how long a session must have lived for the next wait to be the
// first again: two nodes of one name, for instance, throw each other out at
// every connection and must not do so without pause.
const settled = 10 * time.Second

// Run connects, and connects again, and sends what is in the outbox until ctx
// ends. Then it sends the rest for a moment, says that the node is offline and
// returns nil. A broker that is not there is no error: it is waited for.
func (p *Publisher) Run(ctx context.Context) error {
	var trouble trouble
	wait := p.opts.RetryFirst
	for ctx.Err() == nil {
		s, err := p.connect(ctx)
		if err == nil {
			trouble.over()
			p.setConnected(true)
			p.log.Info("publishing to the MQTT broker", "waiting", p.Stats().Waiting())
			began := time.Now()
			err = s.serve(ctx)
			p.setConnected(false)
			if time.Since(began) >= settled {
				wait = p.opts.RetryFirst
			}
		}
		if ctx.Err() != nil {
			break
		}
		p.report(&trouble, err)
		sleep(ctx, wait/2+rand.N(wait/2+1))
		wait = min(2*wait, p.opts.RetryMax)
	}
	if n := p.Stats().Waiting(); n > 0 {
		p.log.Warn("stopping with messages that were not delivered", "lost", n)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// trouble remembers what was logged, so that a state is said once and not at
// every attempt.
type trouble struct{ said string }

func (t *trouble) over() { t.said = "" }

func (p *Publisher) report(t *trouble, err error) {
	what := p.explain(err)
	if what == t.said {
		p.log.Debug(what, "err", err)
		return
	}
	t.said = what
	p.log.Warn(what+"; trying again, events wait in the outbox", "err", err, "waiting", p.Stats().Waiting())
}

// explain says in words what err means for the owner of the board.
func (p *Publisher) explain(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		netErr    net.Error
	)
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		if p.opts.Username == "" {
			return "the MQTT broker wants a user name and a password; set username and password_file"
		}
		return fmt.Sprintf("the MQTT broker refuses user %q or the password; check username and password_file", p.opts.Username)
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return fmt.Sprintf("the MQTT broker refuses the client id %q", p.opts.ClientID)
	case errors.As(err, &authority):
		return "the MQTT broker's certificate is signed by an unknown authority; check ca_file"
	case errors.As(err, &host):
		return "the MQTT broker's certificate is for another host; check the name in the broker URL"
	case errors.As(err, &invalid):
		return "the MQTT broker's certificate is not valid; check its dates and this board's clock"
	case errors.As(err, &record):
		return "the MQTT broker does not speak TLS on this port; check the broker URL"
	case errors.As(err, &dns):
		return fmt.Sprintf("the MQTT broker's name %s is not known; check the broker URL and the network", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no MQTT broker answers at %s; start it or correct the broker URL", p.endpoint.addr)
	case errors.Is(err, errNoAck):
		return "the MQTT broker takes messages but does not acknowledge them"
	case errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Sprintf("the MQTT broker at %s does not answer in time", p.endpoint.addr)
	case errors.Is(err, errGreeting) && p.endpoint.secure(): // TLS 1.3 refuses a client only after the handshake
		return "the MQTT broker ends the TLS connection before it greets; it may want another client certificate, check cert_file and key_file"
	case errors.Is(err, errGreeting):
		return fmt.Sprintf("what answers at %s does not greet as an MQTT broker does; check the broker URL", p.endpoint.addr)
	case errors.Is(err, errLost):
		return "the connection to the MQTT broker was lost"
	}
	return fmt.Sprintf("the MQTT broker at %s cannot be used", p.endpoint.addr)
}
