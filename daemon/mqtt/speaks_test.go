package mqtt_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

// A broker is one that answers as a broker does, also when it lets nobody in.
func TestSpeaks(t *testing.T) {
	at := func(url string) string { _, addr, _ := strings.Cut(url, "://"); return addr }
	for name, o := range map[string]mqtttest.Options{"open": {}, "with passwords": {User: "u", Password: "p"}} {
		if !mqtt.Speaks(t.Context(), at(mqtttest.Start(t, o).URL())) {
			t.Errorf("%s: it is not known", name)
		}
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	if mqtt.Speaks(t.Context(), at(web.URL)) {
		t.Error("a web server is a broker")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if mqtt.Speaks(ctx, silent.Addr().String()) {
		t.Error("who says nothing is a broker")
	}
	silent.Close()
	if mqtt.Speaks(t.Context(), silent.Addr().String()) {
		t.Error("nobody is a broker")
	}
}
