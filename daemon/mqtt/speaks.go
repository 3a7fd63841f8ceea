package mqtt

import (
	"context"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Speaks tells whether a broker answers at host:port, whoever it lets in.
func Speaks(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // reading ends then
	defer stop()
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession, hello.Keepalive = "MQTT", 4, true, 10
	if hello.Write(conn) != nil {
		return false
	}
	answer, err := packets.ReadPacket(conn)
	if err != nil {
		return false
	}
	_, ok := answer.(*packets.ConnackPacket)
	return ok
}
