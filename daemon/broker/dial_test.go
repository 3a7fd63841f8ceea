package broker_test

import (
	"net"
	"net/url"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// dialInto gives the connection that a client opens also to the test, which
// can then break it.
func dialInto(c chan<- net.Conn) paho.OpenConnectionFunc {
	return func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			c <- conn
		}
		return conn, err
	}
}
