package app

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// responder plays a machine that answers questions about a service.
func responder(t *testing.T, answer func(q dnsmessage.Question) []dnsmessage.Resource) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 9000)
		for {
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			reply := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}, Answers: answer(m.Questions[0])}
			if data, err := reply.Pack(); err == nil && len(reply.Answers) > 0 {
				_, _ = conn.WriteToUDP([]byte("not DNS"), from)
				_, _ = conn.WriteToUDP(data, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestAnnounced(t *testing.T) {
	name := dnsmessage.MustNewName
	addr := responder(t, func(q dnsmessage.Question) []dnsmessage.Resource {
		head := func(n string, typ dnsmessage.Type) dnsmessage.ResourceHeader {
			return dnsmessage.ResourceHeader{Name: name(n), Type: typ, Class: dnsmessage.ClassINET, TTL: 10}
		}
		switch q.Name.String() {
		case "_mqtt._tcp.local.":
			return []dnsmessage.Resource{
				{Header: head("_mqtt._tcp.local.", dnsmessage.TypePTR), Body: &dnsmessage.PTRResource{PTR: name("Mosquitto._mqtt._tcp.local.")}},
				{Header: head("Mosquitto._mqtt._tcp.local.", dnsmessage.TypeSRV), Body: &dnsmessage.SRVResource{Port: 1884, Target: name("shed.local.")}},
				{Header: head("x._ssh._tcp.local.", dnsmessage.TypeSRV), Body: &dnsmessage.SRVResource{Port: 22, Target: name("shed.local.")}},
			}
		case "_home-assistant._tcp.local.":
			return []dnsmessage.Resource{{Header: head("_home-assistant._tcp.local.", dnsmessage.TypePTR), Body: &dnsmessage.PTRResource{PTR: name("Home._home-assistant._tcp.local.")}}}
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only decides how long a failing test takes
	defer cancel()
	var got []string
	announced(ctx, addr, func(at string) {
		if got = append(got, at); len(got) == 2 {
			cancel()
		}
	})
	slices.Sort(got)
	if !slices.Equal(got, []string{"127.0.0.1:1883", "127.0.0.1:1884"}) {
		t.Errorf("announced are %q", got)
	}
	for addr, want := range map[string]string{"192.0.2.1:1883": "mqtt://192.0.2.1", "[2001:db8::1]:1883": "mqtt://[2001:db8::1]", "192.0.2.1:1884": "mqtt://192.0.2.1:1884"} {
		if got := brokerURL(addr); got != want {
			t.Errorf("%s is written %s, want %s", addr, got, want)
		}
	}
}

func FuzzMDNSAnswer(f *testing.F) {
	question, err := mdnsQuestion("_mqtt._tcp.local.")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(question)
	f.Add([]byte("\x00\x00\x84\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, at := range mdnsAnswer(data, net.IPv4(192, 0, 2, 1)) {
			if host, _, err := net.SplitHostPort(at); err != nil || host != "192.0.2.1" {
				t.Errorf("%q", at)
			}
		}
	})
}
