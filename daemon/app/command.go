package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
	"sensed/daemon/pipeline"
	"sensed/daemon/understand"
)

// ErrRestart is the error of [Run] when somebody asked for a restart.
var ErrRestart = errors.New("a restart was asked for")

// commandPatience is how long a command may take: longer than a question may
// wait for the model and the model may take together.
const commandPatience = 8 * time.Minute

// startPatience is how long a command waits for the first pipeline.
const startPatience = 10 * time.Second

// Node is the name of the node at present; see [command.Worker].
func (d *daemon) Node() string {
	if now := d.now.Load(); now != nil {
		return now.config.Node
	}
	return d.first.Node
}

// Work does what a request asks; see [command.Worker].
func (d *daemon) Work(ctx context.Context, r command.Request) command.Reply {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	switch r.Command {
	case command.Reload:
		done, err := d.Reload(ctx)
		if err != nil {
			return command.Refused(event.Faulty, err.Error())
		}
		return command.Reply{Status: event.Done, Text: done.String()}
	case command.Restart:
		return command.Reply{Status: event.Done, Text: "sensed starts again"}
	}
	// The broker may bring a command before the pipeline runs. A switch that is
	// thrown then must not be lost.
	select {
	case <-d.up:
	case <-time.After(startPatience):
		return command.Refused(event.Skipped, "sensed is starting")
	case <-ctx.Done():
		return failed(ctx.Err())
	}
	now := d.now.Load()
	if r.Command == command.Set {
		s, err := now.switches.set(r.Source, r.Switch, r.Value)
		if err != nil {
			return command.Refused(event.Faulty, err.Error())
		}
		return command.Reply{Status: event.Done, Text: s.Value}
	}
	s, err := r.Find(controllable(now.config))
	if err != nil {
		return command.Refused(event.Faulty, err.Error())
	}
	var reply command.Reply
	if r.Command == command.Snapshot {
		reply = snapshot(ctx, now, s)
	} else {
		reply = ask(ctx, now, r, s)
	}
	reply.Source = s.Name
	return reply
}

// ask puts a request's question to the pipeline.
func ask(ctx context.Context, now *running, r command.Request, s command.Source) command.Reply {
	t := r.Task(s)
	if err := checkTask(t); err != nil {
		return command.Refused(event.Faulty, fmt.Sprintf("%s: %v", r.Command, err))
	}
	e, err := now.pipeline.Ask(ctx, pipeline.Request{
		ID: r.ID, Source: s.Name, Task: t, Quiet: r.Command == command.Ask,
		Window: time.Duration(r.Seconds * float64(time.Second)), Wrote: r.Wrote,
	})
	if err != nil {
		return failed(err)
	}
	return r.Answered(e)
}

// checkTask tells whether the model can be asked that.
func checkTask(t event.Task) error {
	if t.Language != "" {
		if err := understand.CheckLanguage(t.Language); err != nil {
			return err
		}
	}
	return understand.CheckRule(t)
}

// snapshot publishes the next picture of a camera.
func snapshot(ctx context.Context, now *running, s command.Source) command.Reply {
	if !s.Image {
		return command.Refused(event.Faulty, fmt.Sprintf("snapshot: the pictures of source %s are not published; set image: true there", s.Name))
	}
	f, err := now.pipeline.Snapshot(ctx, s.Name)
	if err != nil {
		return failed(err)
	}
	if err := now.switches.gallery.put(s.Name, f.Image); err != nil {
		return command.Refused(event.Faulty, err.Error())
	}
	size := f.Image.Bounds().Size()
	return command.Reply{Status: event.Done, Time: f.Time, Frame: &[2]int{size.X, size.Y}}
}

// failed is the reply about something that was asked for and did not come.
func failed(err error) command.Reply {
	var r *pipeline.Refusal
	switch {
	case errors.As(err, &r):
		return command.Refused(r.Outcome, r.Why)
	case errors.Is(err, context.DeadlineExceeded):
		return command.Refused(event.TimedOut, fmt.Sprintf("nothing came within %v", commandPatience))
	case errors.Is(err, context.Canceled):
		return command.Refused(event.Skipped, "sensed is stopping")
	}
	return command.Refused(event.Faulty, err.Error())
}

// filters are the topics of commands to a node.
func filters(node string) []string {
	out := []string{event.SetTopic(node, "", string(command.Privacy)), event.SourceTopic(node, "+", "+") + "/set"}
	for _, n := range command.Names() {
		out = append(out, event.NodeTopic(node, string(n)))
	}
	return out
}

// heard takes a message for a node from its broker. Switches are set at once, in
// the order in which they come; the rest is done beside.
func (d *daemon) heard(node string, m mqtt.Received, reply func(command.Reply)) {
	r, ok, err := request(node, m)
	switch {
	case !ok:
		return
	case m.Retained:
		if len(m.Payload) > 0 {
			d.log.Warn("a retained command is ignored, for it would come again at every connect; clear it", "topic", m.Topic)
		}
		return
	case r.Command == command.Set:
		if answer, ok := d.center.Do(d.serving, r, err); ok && answer.Status != event.Done {
			reply(answer)
		}
		return
	}
	d.commands.Go(func() {
		if answer, ok := d.center.Do(d.serving, r, err); ok {
			reply(answer)
			if r.Command == command.Restart && answer.Status == event.Done {
				d.log.Info("sensed starts again, as it was asked over MQTT")
				d.restart(ErrRestart)
			}
		}
	})
}

// request makes a request of a message; ok is false for one that is none.
func request(node string, m mqtt.Received) (r command.Request, ok bool, err error) {
	rest, ours := strings.CutPrefix(m.Topic, event.NodeTopic(node, ""))
	if !ours {
		return r, false, nil
	}
	parts := strings.Split(rest, "/")
	name := command.Name(parts[0])
	switch last := len(parts) - 1; {
	case last == 0 && slices.Contains(command.Names(), name):
		r, err = command.Parse(name, m.Payload)
		return r, true, err
	case last == 1 && parts[last] == "set":
		return command.SetRequest("", command.Switch(parts[0]), value(m.Payload)), true, nil
	case last == 2 && parts[last] == "set":
		return command.SetRequest(parts[0], command.Switch(parts[1]), value(m.Payload)), true, nil
	}
	return r, false, nil
}

// value is a payload as the value of a switch. What is too long stays so, and is
// refused.
func value(payload []byte) string { return string(payload[:min(len(payload), command.MaxPayload)]) }

// replies returns what sends replies: through the present publisher, since after
// a reload that may be another one than the request came through.
func (d *daemon) replies(node string, p *mqtt.Publisher) func(command.Reply) {
	return func(r command.Reply) {
		if now := d.now.Load(); now != nil {
			p = now.publisher
			now.mirror.answered(r)
		}
		payload, err := json.Marshal(r)
		if err == nil {
			err = p.Send(context.WithoutCancel(d.serving), mqtt.Message{
				Topic: event.NodeTopic(node, event.TopicReply), Payload: payload, Priority: outbox.High, Stamp: true,
			})
		}
		if err != nil {
			d.log.Warn("a command could not be answered", "command", r.Command, "id", r.ID, "err", err)
		}
	}
}

// echo publishes announcements and answers once more, for who wants all of them
// on one topic of each source.
type echo struct{ pipeline.Publisher }

// Publish hands an event on, and its copy.
func (p echo) Publish(ctx context.Context, e event.Event) error {
	if err := p.Publisher.Publish(ctx, e); err != nil {
		return err
	}
	switch e.Kind {
	case event.Status, event.Temperature, event.Level:
		return nil
	case event.Motion, event.Sound, event.Pin:
		if e.Status != event.Announced {
			return nil
		}
	default:
		if e.Status != event.Done {
			return nil
		}
	}
	e.EventType = e.Kind
	return p.Publisher.Publish(ctx, e)
}

// newSwitchboard lets the switches of a configuration act on its pipeline.
func (d *daemon) newSwitchboard(c *config.Config, p *pipeline.Pipeline, out *mqtt.Publisher, g *gallery) (*switchboard, error) {
	b := &switchboard{
		Board:  command.NewBoard(command.Specs(controllable(c)), d.store.Saved()),
		config: c, pipeline: p, publisher: out, gallery: g, store: d.store, hub: d.hub, log: d.log.Logger,
	}
	return b, b.begin()
}
