package health

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is a registry of its own: nothing global is shown.
type metrics struct {
	monitor  *Monitor
	registry *prometheus.Registry
	stages   *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
}

// spans are the buckets of the stages in seconds: from a cached prompt to a
// large picture on a Raspberry Pi 4.
var spans = []float64{.01, .03, .1, .3, 1, 3, 10, 30, 100, 300}

func newMetrics(m *Monitor) *metrics {
	x := &metrics{
		monitor: m, registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sensed_answer_stage_seconds", Help: "How long each stage of an answer took, and all of it (total, from capture).", Buckets: spans,
		}, []string{"stage"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sensed_tokens_total", Help: "Tokens that the model read (prompt) and wrote (answer).",
		}, []string{"kind"}),
	}
	x.registry.MustRegister(x, x.stages, x.tokens,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return x
}

func (x *metrics) answered(a Answer) {
	for stage, ms := range map[string]float64{"wait": a.Stages.Wait, "encode": a.Stages.Encode, "prefill": a.Stages.Prefill, "decode": a.Stages.Decode, "total": a.Stages.Total} {
		x.stages.WithLabelValues(stage).Observe(ms / 1000)
	}
	x.tokens.WithLabelValues("prompt").Add(float64(a.Prompt))
	x.tokens.WithLabelValues("answer").Add(float64(a.Tokens))
}

func (x *metrics) handler() http.Handler {
	return promhttp.HandlerFor(x.registry, promhttp.HandlerOpts{})
}

// Describe tells the registry nothing: what there is depends on the board.
func (x *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect turns a snapshot into metrics.
func (x *metrics) Collect(out chan<- prometheus.Metric) {
	s := x.monitor.Snapshot()
	c := collector{out}
	c.gauge("sensed_build_info", "Which sensed this is; always 1.", 1, pair{"version", s.Program})
	c.gauge("sensed_model_info", "Which model answers; always 1.", 1, pair{"model", s.Model.Name}, pair{"quant", s.Model.Quant}, pair{"kernels", s.Model.Kernels})
	c.gauge("sensed_uptime_seconds", "Seconds since sensed started.", s.Uptime)
	c.gauge("sensed_problems", "Things that are not as they should be.", float64(len(s.Problems)))
	if t := s.Board.Temperature; t != nil {
		c.gauge("sensed_board_temperature_celsius", "Temperature of the processor.", *t)
	}
	if p := s.Board.Power; p != nil {
		const help = "1 while the firmware of the board reports it."
		c.gauge("sensed_board_alarm", help, is(p.UnderVoltage), pair{"alarm", "under_voltage"})
		c.gauge("sensed_board_alarm", help, is(p.Capped), pair{"alarm", "frequency_capped"})
		c.gauge("sensed_board_alarm", help, is(p.Throttled), pair{"alarm", "throttled"})
		c.gauge("sensed_board_alarm", help, is(p.SoftLimit), pair{"alarm", "soft_temperature_limit"})
	}
	c.gauge("sensed_board_memory_bytes", "Memory of the board.", float64(s.Memory.Total))
	c.gauge("sensed_board_memory_available_bytes", "Memory of the board that is available.", float64(s.Memory.Available))
	c.gauge("sensed_memory_anonymous_bytes", "Memory that sensed needs for itself.", float64(s.Memory.Anonymous))
	c.gauge("sensed_memory_file_bytes", "Memory with parts of the model's files, which the kernel may take back.", float64(s.Memory.File))
	c.gauge("sensed_memory_limit_bytes", "Limit of the service's memory; 0: none.", float64(s.Memory.Limit))
	c.gauge("sensed_load_level", "How much work is shed, from 0 (none) to 5 (all).", float64(s.Load.Level))
	c.gauge("sensed_tokens_per_second", "Tokens that the model writes in a second, over the last minutes.", s.Speed.TokensPerSecond)
	c.gauge("sensed_model_busy", "1 while the model answers.", is(s.Model.Busy))
	c.gauge("sensed_questions_waiting", "Questions that wait for the model.", float64(s.Queue.Waiting))
	c.counter("sensed_questions_answered_total", "Questions that the model answered.", s.Queue.Answered)
	c.counter("sensed_questions_failed_total", "Questions that the model did not answer.", s.Queue.Failed)
	for _, d := range s.Queue.Drops {
		c.counter("sensed_questions_dropped_total", "Questions that were not asked.", d.Count, pair{"source", d.Source}, pair{"task", d.Task}, pair{"reason", d.Reason})
	}
	c.counter("sensed_events_published_total", "Events that went out or into the outbox.", s.Events.Published)
	c.counter("sensed_events_lost_total", "Events that could not even be stored.", s.Events.Lost)
	c.gauge("sensed_mqtt_connected", "1 while the broker is connected.", is(s.Broker.Connected))
	c.counter("sensed_mqtt_messages_delivered_total", "Messages that the broker acknowledged.", s.Broker.Delivered)
	c.gauge("sensed_outbox_messages", "Messages that wait for the broker.", float64(s.Outbox.Messages))
	c.gauge("sensed_outbox_bytes", "Bytes of the messages that wait for the broker.", float64(s.Outbox.Bytes))
	c.counter("sensed_outbox_dropped_total", "Messages that were given up for want of room.", s.Outbox.Dropped)
	c.gauge("sensed_outbox_problem", "1 while the outbox cannot store as it should.", is(s.Outbox.Problem != ""))
	for _, src := range s.Sources {
		name := pair{"source", src.Name}
		c.gauge("sensed_source_up", "1 while the source delivers.", is(src.State == "ok"), name)
		c.counter("sensed_source_frames_total", "Pictures, or pieces of sound, that the source delivered.", src.Seen, name)
		c.counter("sensed_source_questions_total", "Questions about the source.", src.Asked, name)
		c.counter("sensed_source_answers_total", "Answers about the source.", src.Answered, name)
	}
}

// pair is a label and its value.
type pair [2]string

type collector struct{ out chan<- prometheus.Metric }

func (c collector) gauge(name, help string, v float64, labels ...pair) {
	c.send(prometheus.GaugeValue, name, help, v, labels)
}

func (c collector) counter(name, help string, v uint64, labels ...pair) {
	c.send(prometheus.CounterValue, name, help, float64(v), labels)
}

func (c collector) send(kind prometheus.ValueType, name, help string, v float64, labels []pair) {
	var names, values []string
	for _, l := range labels {
		names, values = append(names, l[0]), append(values, l[1])
	}
	d := prometheus.NewDesc(name, help, names, nil)
	m, err := prometheus.NewConstMetric(d, kind, v, values...)
	if err != nil { // a name that is not UTF-8; the others are still worth showing
		m = prometheus.NewInvalidMetric(d, err)
	}
	c.out <- m
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
