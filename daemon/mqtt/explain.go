package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// explain says in words what err means for the owner of the board.
func (p *Publisher) explain(e endpoint, err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		netErr    net.Error
		secret    secretError
	)
	switch {
	case errors.As(err, &secret):
		return secret.Error()
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
		return "the MQTT broker's certificate is for another host; check the name in the broker URL, or set server_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the MQTT broker's certificate has expired or is not valid yet; renew it, or set this board's clock"
	case errors.As(err, &invalid):
		return "the MQTT broker's certificate is not valid for a broker"
	case errors.As(err, &record):
		return "the MQTT broker does not speak TLS on this port; check the broker URL"
	case errors.As(err, &dns):
		return fmt.Sprintf("the MQTT broker's name %s is not known; check the broker URL and the network", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no MQTT broker answers at %s; start it or correct the broker URL", e.addr)
	case errors.Is(err, fs.ErrNotExist) && e.kind == "unix":
		return fmt.Sprintf("there is no socket %s; start the MQTT broker or correct the broker URL", e.addr)
	case errors.Is(err, errNoAck):
		return "the MQTT broker takes messages but does not acknowledge them"
	case errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Sprintf("the MQTT broker at %s does not answer in time", e.addr)
	case errors.Is(err, errGreeting) && e.secure(): // TLS 1.3 refuses a client only after the handshake
		if expired, when := p.opts.clientExpired(); expired {
			return fmt.Sprintf("the MQTT broker ends the TLS connection: the certificate in cert_file has expired or is not valid yet (it ends %s); renew it, or set this board's clock", when.Format(time.DateTime))
		}
		return "the MQTT broker ends the TLS connection before it greets; it may want another client certificate, check cert_file and key_file"
	case errors.Is(err, errGreeting):
		return fmt.Sprintf("what answers at %s does not greet as an MQTT broker does; check the broker URL", e.addr)
	case errors.Is(err, errLost):
		return "the connection to the MQTT broker was lost"
	}
	return fmt.Sprintf("the MQTT broker at %s cannot be used", e.addr)
}

// secretError is an error of the files with passwords and certificates.
type secretError struct{ error }

func (e secretError) Unwrap() error { return e.error }

// clientExpired tells whether the certificate that is shown to the broker is
// out of its dates.
func (o *Options) clientExpired() (bool, time.Time) {
	if o.CertFile == "" {
		return false, time.Time{}
	}
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil || pair.Leaf == nil {
		return false, time.Time{}
	}
	now := time.Now()
	return now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore), pair.Leaf.NotAfter
}
