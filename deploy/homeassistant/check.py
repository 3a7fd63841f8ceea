#!/usr/bin/env python3
r"""Checks sensed against a real Home Assistant.

Starts mosquitto, sensed (with drawn scenes and recorded speech) and Home
Assistant on loopback, sets Home Assistant up as a person would, and looks
whether every entity is there with the right state, follows sensed when it dies
and comes back, and can be used; then the same after both were started again.

    python3.13 -m venv /tmp/ha && /tmp/ha/bin/pip install uv
    /tmp/ha/bin/uv pip install --python /tmp/ha/bin/python homeassistant==2025.4.4 \
        paho-mqtt==2.1.0 home-assistant-frontend==20250411.0
    bash deploy/build.sh && /tmp/ha/bin/python deploy/homeassistant/check.py

It ends with 0 when all is as it should be. --keep leaves the folder with all
logs; --only-start leaves everything running until Enter is pressed.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import time

from parts import Failure, Hass, Listener, Mosquitto, Sensed, await_that

SAMPLES = pathlib.Path(__file__).resolve().parent.parent / "models/tiny/samples"

CONFIG = """
node: porch
broker: {{url: "mqtt://127.0.0.1:{broker}"}}
web: {{listen: "off"}}
health: {{every: 10s}}
unchanged: send
sources:
  - name: door
    source: scene:?seed=3&fps=4&size=320x240
    image: true
    tasks:
      - {{kind: caption, every: 2s}}
      - {{kind: detect, every: 2s, labels: [person, dog, tree]}}
      - {{kind: prompt, name: place, prompt: "Where is this?", every: 3s}}
{hall}
triggers:
  - {{pin: GPIO17, starts: [door]}}
"""

HALL = """
  - name: hall
    source: "wav:{folder}?loop&gap=500ms"
    tasks: [{{kind: transcribe}}]
"""

# Entities whose state changes all the time, so it cannot be the same twice.
RESTLESS = ("caption", "place", "transcribe", "detect", "_count", "motion", "speech", "sound_level", "event", "picture", "memory", "queue",
            "speed", "time_to_answer", "temperature", "porch_door_dog", "porch_door_tree", "porch_door_person")


class Check:
    def __init__(self, options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sensed-hass-"))
        self.failures = []
        self.figures = {}
        recordings = self.folder / "speech"
        recordings.mkdir()
        for wav in SAMPLES.glob("*.wav"):
            shutil.copy(wav, recordings)
        self.hall = HALL.format(folder=recordings)
        self.mosquitto = Mosquitto(self.folder)
        self.sensed = Sensed(options.sensed, self.folder)
        self.hass = Hass(options.hass, self.folder)
        self.heard = None

    def configure(self, hall=True, edit=lambda text: text):
        text = CONFIG.format(broker=self.mosquitto.port, hall=self.hall if hall else "")
        self.sensed.config.write_text(edit(text))

    def step(self, name, what):
        began = time.monotonic()
        try:
            note = what()
        except Failure as e:
            self.failures.append(f"{name}: {e}")
            print(f"FAIL  {name}: {e}", flush=True)
            return
        print(f"ok    {name}{': ' + note if note else ''} ({time.monotonic() - began:.1f} s)", flush=True)

    def start(self):
        self.mosquitto.start()
        self.heard = Listener(self.mosquitto.port)
        self.configure()
        self.sensed.start()
        self.heard.topic("sensed/porch/status", "online")
        self.hass.start()
        self.hass.onboard(self.mosquitto.port)

    def stop(self):
        for part in (self.hass, self.sensed, self.heard, self.mosquitto):
            if part:
                part.stop()

    # What the node says it has, and what Home Assistant made of it.

    def components(self):
        found = json.loads(self.heard.topic("homeassistant/device/sensed-porch/config"))["components"]
        return {c["unique_id"]: c for c in found.values() if len(c) > 1}

    def registry(self):
        return {e["unique_id"]: e["entity_id"] for e in self.hass.registry() if e["platform"] == "mqtt"}

    def entities(self):
        """Every component has its entity, under the id that it wants, and no other is there."""
        wanted = self.components()

        def all_there():
            got = self.registry()
            missing, more = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
            return None if missing or more else got, f"missing {missing}, left over {more}"

        got = await_that("every entity", all_there)
        for uid, c in wanted.items():
            if got[uid] != c["default_entity_id"]:
                raise Failure(f"{uid} is {got[uid]}, not {c['default_entity_id']}")
        return f"{len(got)} of {len(wanted)} entities"

    def awaits(self, entity, want, attribute=None):
        def is_so():
            s = self.hass.state(entity)
            value = s.get("attributes", {}).get(attribute) if attribute else s.get("state")
            return (want(value) if callable(want) else value == want), f"{entity} {attribute or 'is'} {value!r}"

        await_that(f"{entity} {attribute or ''} {'right' if callable(want) else repr(want)}", is_so)

    def last(self, task, source="door"):
        return json.loads(self.heard.topic(f"sensed/porch/{source}/last/{task}"))

    def words(self, task, source="door"):
        """What a task said last; unknown when the camera was closed since."""
        return self.last(task, source).get("text", "unknown")

    def found(self, count):
        objects = self.last("detect").get("objects")
        return "unknown" if objects is None else str(count(objects))

    def states(self, fresh=True):
        """Each state is what MQTT says, by rules of this script's own."""
        health = lambda: json.loads(self.heard.topic("sensed/porch/health"))
        said = {
            "sensor.porch_door_status": lambda: json.loads(self.heard.topic("sensed/porch/door/status"))["state"],
            "sensor.porch_hall_status": lambda: json.loads(self.heard.topic("sensed/porch/hall/status"))["state"],
            "sensor.porch_door_caption": lambda: self.words("caption"),
            "sensor.porch_door_place": lambda: self.words("place"),
            "sensor.porch_hall_transcribe": lambda: self.words("transcribe", "hall"),
            "sensor.porch_door_detect": lambda: self.found(len),
            "sensor.porch_queue": lambda: str(health()["queue"]["waiting"]),
            "sensor.porch_load": lambda: health()["load"]["name"],
            "sensor.porch_messages_dropped": lambda: str(health()["outbox"]["dropped"]),
            "sensor.porch_memory_used": lambda: str(round(health()["memory"]["anonymous"] / 2**20)),
            "sensor.porch_memory_available": lambda: str(round(health()["memory"]["available"] / 2**20)),
            "sensor.porch_speed": lambda: str(health()["speed"]["tokens_per_s"]),
            "sensor.porch_time_to_answer": lambda: str(health()["speed"]["latency_ms"]["total"]),
            "sensor.porch_hall_sound_level": lambda: str(json.loads(self.heard.topic("sensed/porch/hall/level"))["level"]),
            "binary_sensor.porch_problem": lambda: "on" if health()["problems"] else "off",
            "binary_sensor.porch_door_motion": lambda: self.heard.topic("sensed/porch/door/motion/state").lower(),
            "binary_sensor.porch_hall_speech": lambda: self.heard.topic("sensed/porch/hall/sound/state").lower(),
        }
        for label in ("person", "dog", "tree"):
            said[f"sensor.porch_door_{label}_count"] = lambda label=label: self.found(lambda o: sum(thing["label"] == label for thing in o))
            said[f"binary_sensor.porch_door_{label}"] = lambda label=label: self.heard.topic(f"sensed/porch/door/objects/{label}/state").lower()
        if (degrees := health()["board"].get("temperature_c")) is None:
            said["sensor.porch_processor_temperature"] = lambda: "unknown"
        else:
            said["sensor.porch_processor_temperature"] = lambda: str(degrees)
        for entity in self.registry().values():
            kind = entity.partition(".")[0]
            if kind in ("switch", "number", "select") or entity in ("text.porch_door_prompt", "text.porch_door_labels"):
                said[entity] = lambda entity=entity: self.switch(entity)
        # What nobody has used yet is unknown, and later says when, or what for.
        unused = {e for e in self.registry().values() if e.startswith("button.") or e.endswith("_ask")}
        for entity in unused if fresh else ():
            said[entity] = lambda: "unknown"
        said["event.porch_gpio17_pin"] = lambda: "unavailable"  # there is no such pin here
        rest = set(self.registry().values()) - set(said)
        for entity, words in said.items():
            last = [None]

            def same():
                last[0] = words()
                state = self.hass.state(entity).get("state")
                return same_value(state, last[0]), f"it is {state!r}, MQTT says {last[0]!r}"

            await_that(f"the state of {entity}", same)
        for entity in rest:
            if entity in unused:
                self.awaits(entity, lambda s: s not in (None, "unavailable"))
            elif entity.partition(".")[0] in ("event", "image"):  # the time of the last event, of the picture
                self.awaits(entity, lambda s: s is not None and s.startswith("20"))
            else:
                raise Failure(f"nobody has checked {entity}")
        return f"{len(said)} compared, {len(rest)} are there"

    def switch(self, entity):
        """The state that the topic of a switch means."""
        c = next(c for c in self.components().values() if c["default_entity_id"] == entity)
        value = self.heard.topic(c["state_topic"], empty=True)
        return {"switch": value.lower(), "select": value or "as configured"}.get(entity.partition(".")[0], value)

    def picture(self):
        data = self.hass.picture("image.porch_door_picture")
        if data[:2] != b"\xff\xd8" or len(data) < 1000:
            raise Failure(f"the picture is {data[:20]!r}, {len(data)} bytes")
        return f"JPEG of {len(data)} bytes"

    def long_text(self):
        """A text that no state can hold is cut, and whole among the attributes."""
        text = "Es schneit über der Straße. " * 40
        self.heard.say("sensed/porch/door/last/place", json.dumps({"text": text, "id": "long", "time": "2026-11-29T08:00:00Z", "score": 0.5}), retain=True)
        seen = {}

        def cut():
            s = self.hass.state("sensor.porch_door_place")
            if s["attributes"].get("id") == "long":
                seen.update(s)
            return bool(seen), s["attributes"]

        await_that("the long text", cut, every=0.02)
        if len(seen["state"]) != 255 or not seen["state"].endswith("…") or seen["attributes"]["text"] != text:
            raise Failure(f"the state has {len(seen['state'])} characters: {seen}")
        return "255 characters of 1120"

    # Availability.

    def unavailable(self, but=()):
        def gone():
            here = [e for e in self.registry().values() if self.hass.state(e).get("state") != "unavailable" and e not in but]
            return not here, f"still there: {here}"

        await_that("that all is unavailable", gone)

    def dies(self):
        saved = self.sensed.folder / "switches.json"  # written a few seconds after a switch was set
        await_that("that the switches are saved", lambda: ("privacy" not in saved.read_text() and "camera" not in saved.read_text(), saved.read_text()))
        self.sensed.kill()
        self.unavailable()
        self.sensed.start()
        self.entities()
        return self.states(fresh=False)

    def source_off(self):
        of = [e for e in self.registry().values() if e.startswith(("sensor.porch_door", "binary_sensor.porch_door", "event.porch_door", "image.porch_door",
                                                                   "button.porch_door", "text.porch_door_ask")) and not e.endswith("_status")]
        controls = [e for e in self.registry().values() if e.startswith(("switch.porch", "number.porch_door", "text.porch_door_prompt"))]
        self.hass.call("switch", "turn_off", "switch.porch_door_camera")
        for e in of:
            self.awaits(e, "unavailable")
        self.awaits("sensor.porch_door_status", "off")
        for e in controls:
            self.awaits(e, lambda s: s != "unavailable")
        self.awaits("sensor.porch_hall_transcribe", lambda s: s != "unavailable")
        self.heard.topic("sensed/porch/door/last/caption", "{}")
        self.hass.call("switch", "turn_on", "switch.porch_door_camera")
        for e in of:
            self.awaits(e, lambda s: s != "unavailable")
        return f"{len(of)} entities of the camera"

    # Commands from Home Assistant's side.

    def commands(self):
        h, heard = self.hass, self.heard
        h.call("switch", "turn_off", "switch.porch_door_detection")
        heard.topic("sensed/porch/door/detection/state", "OFF")
        self.awaits("switch.porch_door_detection", "off")
        h.call("switch", "turn_on", "switch.porch_door_detection")
        self.awaits("switch.porch_door_detection", "on")
        h.call("number", "set_value", "number.porch_door_sensitivity", value=0.75)
        heard.topic("sensed/porch/door/sensitivity/state", "0.75")
        self.awaits("number.porch_door_sensitivity", "0.75")
        h.call("text", "set_value", "text.porch_door_prompt", value="What is in this picture?")
        heard.topic("sensed/porch/door/prompt/state", "What is in this picture?")
        self.awaits("text.porch_door_prompt", "What is in this picture?")
        h.call("text", "set_value", "text.porch_door_prompt", value="")
        self.awaits("text.porch_door_prompt", "")
        h.call("text", "set_value", "text.porch_door_labels", value="person,dog")
        self.awaits("text.porch_door_labels", "person, dog")
        h.call("text", "set_value", "text.porch_door_labels", value="")
        h.call("select", "select_option", "select.porch_hall_language", option="German")
        heard.topic("sensed/porch/hall/language/state", "German")
        self.awaits("select.porch_hall_language", "German")
        h.call("select", "select_option", "select.porch_hall_language", option="as configured")
        self.awaits("select.porch_hall_language", "as configured")
        h.call("text", "set_value", "text.porch_door_ask", value='Is the "gate" open?')
        self.awaits("sensor.porch_door_answer_to_ask", lambda s: s not in ("unknown", "unavailable"))
        self.awaits("text.porch_door_ask", 'Is the "gate" open?')
        if self.last("ask")["status"] != "done":
            raise Failure(f"the question was answered with {self.last('ask')}")
        for button, command in (("door_describe", "describe"), ("door_snapshot", "snapshot"), ("hall_transcribe", "transcribe")):
            h.call("button", "press", f"button.porch_{button}")
            heard.reply(command, "done")
        h.call("switch", "turn_on", "switch.porch_privacy")
        self.awaits("sensor.porch_door_status", "private")
        self.awaits("sensor.porch_hall_status", "private")
        h.call("switch", "turn_off", "switch.porch_privacy")
        self.awaits("sensor.porch_hall_status", "ok")
        self.awaits("sensor.porch_door_caption", lambda s: s not in ("unknown", "unavailable"))
        return None

    def events(self):
        before = self.hass.state("event.porch_door_event")["state"]
        self.awaits("event.porch_door_event", lambda s: s != before)
        kind = self.hass.state("event.porch_door_event")["attributes"]["event_type"]
        if kind not in ("motion", "caption", "objects", "answer"):
            raise Failure(f"an event of type {kind!r}")
        return kind

    # What must not change when something is started again, or must.

    def settled(self):
        """The states that stay as they are while nobody touches anything."""
        return {e: self.hass.state(e).get("state") for e in self.registry().values() if e != "button.porch_restart" and not any(word in e for word in RESTLESS)}

    def again(self, what):
        # An empty value is not kept by brokers: it comes with what is said again after Home Assistant's start.
        for entity in ("text.porch_door_labels", "text.porch_door_prompt"):
            self.awaits(entity, "")
        before, ids = self.settled(), self.registry()
        what()
        after_ids = await_that("the same entities", lambda: (self.registry() if self.registry() == ids else None, "others"))

        def same():
            now = self.settled()
            return now == before, {e: (before[e], now.get(e)) for e in before if now.get(e) != before[e]}

        await_that("the same states", same)
        self.entities()
        checked = self.states_again()
        return f"{len(after_ids)} entities, {len(before)} states as before, {checked}"

    def states_again(self):
        for e in ("sensor.porch_door_caption", "sensor.porch_door_place", "sensor.porch_door_detect", "sensor.porch_hall_transcribe",
                  "binary_sensor.porch_door_motion", "binary_sensor.porch_door_person", "binary_sensor.porch_hall_speech", "sensor.porch_queue"):
            self.awaits(e, lambda s: s not in ("unknown", "unavailable", None))
        return "the others known"

    def hass_again(self):
        mark = self.heard.mark()
        self.hass.stop()
        self.hass.start()
        self.heard.after(mark, "homeassistant/device/sensed-porch/config")  # said again, after its birth message

    def quiet_last(self):
        """Home Assistant starts while sensed has nothing new to say: last words and states are there all the same."""
        words = self.hass.state("sensor.porch_door_caption")["state"]
        for s in ("captioning", "detection"):
            self.hass.call("switch", "turn_off", f"switch.porch_door_{s}")
            self.awaits(f"switch.porch_door_{s}", "off")
        words = None

        def rests():
            nonlocal words
            now, words = self.last("caption")["text"], words
            same = now == words
            words = now
            return same, now

        await_that("that the captions rest", rests, every=4)
        self.hass.stop()
        self.hass.start()
        self.awaits("sensor.porch_door_caption", words)
        for s in ("captioning", "detection"):
            self.hass.call("switch", "turn_on", f"switch.porch_door_{s}")
            self.awaits(f"switch.porch_door_{s}", "on")
        return repr(words)

    def sensed_again(self):
        self.sensed.stop()
        self.unavailable()
        self.sensed.start()

    def restart_button(self):
        mark = self.heard.mark()
        self.hass.call("button", "press", "button.porch_restart")
        self.heard.after(mark, "sensed/porch/status", "offline")
        self.heard.after(mark, "sensed/porch/status", "online")

    # Entities that are not there any more.

    def reloaded(self):
        """A source and a task vanish at a reload, and come back."""
        ids = self.registry()
        self.configure(hall=False, edit=lambda text: text.replace("      - {kind: prompt, name: place", "      - {kind: prompt, name: spot"))
        self.hass.call("button", "press", "button.porch_reload")
        await_that("sensor.porch_door_spot", lambda: ("sensor.porch_door_spot" in self.registry().values(), ""))
        self.entities()
        left = [t for t, p in self.heard.now().items() if p and (t.startswith("sensed/porch/hall/") and self.heard.retained(t) or t.endswith("last/place"))]
        if left:
            raise Failure(f"the broker still has {left}")
        gone = len(set(ids) - set(self.registry()))
        self.configure()
        self.hass.call("button", "press", "button.porch_reload")
        self.entities()
        self.awaits("sensor.porch_hall_status", "ok")
        return f"{gone} entities removed and back"

    def restarted_otherwise(self, hass_away):
        """sensed starts with another configuration, also while Home Assistant is away."""
        if hass_away:
            self.hass.stop()
        self.sensed.stop()
        self.configure(hall=False)
        self.sensed.start()
        self.heard.topic("sensed/porch/hall/status", "", empty=True)
        if hass_away:
            self.hass.start()
        self.entities()
        self.sensed.stop()
        self.configure()
        self.sensed.start()
        self.entities()
        self.awaits("sensor.porch_hall_status", "ok")
        return None

    def off(self):
        """homeassistant: false takes everything back."""
        self.sensed.stop()
        self.configure(edit=lambda text: "homeassistant: false\n" + text)
        self.sensed.start()
        await_that("that no entity is left", lambda: (not self.registry(), self.registry()))
        return None

    def log(self):
        # That the broker went away is true: it was killed.
        lines = [l for l in self.hass.log() if ("WARNING" in l or "ERROR" in l) and "MQTT server: The connection was lost" not in l]
        about = [l for l in lines if any(word in l.lower() for word in ("mqtt", "sensed", "porch", "template"))]
        if about:
            raise Failure("its log says:\n  " + "\n  ".join(about[:20]))
        return f"{len(lines)} warnings or errors, none about us"

    def run(self):
        self.step("starts", self.start)
        if self.failures:
            return
        self.step("every entity is there", self.entities)
        self.step("every state is right", self.states)
        self.step("the picture is served", self.picture)
        self.step("events come", self.events)
        self.step("a long text is cut", self.long_text)
        self.step("commands work", self.commands)
        self.step("a closed camera is unavailable", self.source_off)
        self.step("kill -9 of sensed", self.dies)
        self.step("Home Assistant again", lambda: self.again(self.hass_again))
        self.step("last words are kept", self.quiet_last)
        self.step("sensed again", lambda: self.again(self.sensed_again))
        self.step("restart by its button", lambda: self.again(self.restart_button))
        self.step("mosquitto again", lambda: self.again(self.mosquitto.again))
        self.step("reload with less", self.reloaded)
        self.step("restart with less", lambda: self.restarted_otherwise(False))
        self.step("restart with less while Home Assistant is away", lambda: self.restarted_otherwise(True))
        self.step("discovery turned off", self.off)
        self.step("Home Assistant's log", self.log)


def same_value(state, said):
    try:
        return abs(float(state) - float(said)) < 1e-6
    except (TypeError, ValueError):
        return state == said


def main():
    o = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    o.add_argument("--sensed", default="bin/sensed", help="the program (bin/sensed)")
    o.add_argument("--hass", default=str(pathlib.Path(sys.executable).parent / "hass"), help="Home Assistant's program (beside this Python)")
    o.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    o.add_argument("--only-start", action="store_true", help="start everything, say where, and wait for Enter")
    options = o.parse_args()
    check = Check(options)
    began = time.monotonic()
    try:
        if options.only_start:
            check.start()
            input(f"Home Assistant: http://127.0.0.1:{check.hass.port} (check / check). Enter ends it.")
        else:
            check.run()
    finally:
        check.stop()
        if options.keep or check.failures:
            print(f"logs are in {check.folder}")
        else:
            shutil.rmtree(check.folder, ignore_errors=True)
    print(f"Home Assistant {check.hass.version}: {len(check.failures)} of the steps failed, {time.monotonic() - began:.0f} s")
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()
