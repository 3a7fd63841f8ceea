package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// mdnsAddr is where the machines of a network listen for questions about
// names (RFC 6762).
const mdnsAddr = "224.0.0.251:5353"

const (
	mdnsTime    = 1500 * time.Millisecond // for answers
	maxMDNS     = 9000                    // bytes of one
	mostBrokers = 16
)

// brokerServices are what brokers announce, and machines that usually have one.
func brokerServices() []string {
	return []string{"_mqtt._tcp.local.", "_home-assistant._tcp.local."}
}

// announcedHere returns the brokers that this network tells of within a moment.
func announcedHere(ctx context.Context) (out []string) {
	ctx, cancel := context.WithTimeout(ctx, mdnsTime)
	defer cancel()
	announced(ctx, mdnsAddr, func(at string) { out = append(out, at) })
	return out
}

// announced asks the network at addr for brokers, and tells host:port of each that
// says it is there, and of machines that usually have one, until ctx ends.
func announced(ctx context.Context, addr string, tell func(string)) {
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return
	}
	// A question from another port than 5353 is answered directly (section 6.7).
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // reading ends then
	defer stop()
	for _, s := range brokerServices() {
		question, err := mdnsQuestion(s)
		if err != nil {
			continue
		}
		if _, err := conn.WriteToUDP(question, to); err != nil {
			return // there is no network
		}
	}
	var told []string
	buf := make([]byte, maxMDNS)
	for len(told) < mostBrokers {
		n, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			break
		}
		for _, at := range mdnsAnswer(buf[:n], from.IP) {
			if !slices.Contains(told, at) {
				told = append(told, at)
				tell(at)
			}
		}
	}
}

func mdnsQuestion(service string) ([]byte, error) {
	name, err := dnsmessage.NewName(service)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	return m.Pack()
}

// mdnsAnswer reads what a machine says about itself. Addresses in it are not
// believed: the machine is where the answer came from.
func mdnsAnswer(data []byte, from net.IP) (out []string) {
	var m dnsmessage.Message
	if m.Unpack(data) != nil || !m.Response {
		return nil
	}
	for _, r := range slices.Concat(m.Answers, m.Additionals) {
		switch body := r.Body.(type) {
		case *dnsmessage.PTRResource:
			if r.Header.Name.String() == "_home-assistant._tcp.local." {
				out = append(out, net.JoinHostPort(from.String(), brokerTCP))
			}
		case *dnsmessage.SRVResource:
			if isInstance(r.Header.Name.String(), "_mqtt._tcp.local.") {
				out = append(out, net.JoinHostPort(from.String(), strconv.Itoa(int(body.Port))))
			}
		}
	}
	return out
}

// isInstance tells whether a name is NAME.SERVICE.
func isInstance(name, service string) bool {
	return len(name) > len(service)+1 && name[len(name)-len(service)-1:] == "."+service
}

// brokerURL is an address as the configuration has it.
func brokerURL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != brokerTCP {
		return "mqtt://" + addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = fmt.Sprintf("[%s]", host)
	}
	return "mqtt://" + host
}
