"""What the check starts and asks: a broker, sensed, Home Assistant."""

import asyncio
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import aiohttp
import paho.mqtt.client as mqtt

PATIENCE = 300  # seconds; decides only how long a failing check takes


class Failure(Exception):
    """Something is not as it should be."""


def await_that(what, asked, every=0.2):
    """Waits until asked() returns (something true, a note), and returns it."""
    limit = time.monotonic() + PATIENCE
    while True:
        got, note = asked()
        if got:
            return got
        if time.monotonic() > limit:
            raise Failure(f"waited in vain for {what}: {note}")
        time.sleep(every)


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A program that runs in the background and writes into a file."""

    def __init__(self, folder, name):
        self.output = folder / f"{name}.log"
        self.process = None

    def launch(self, *command, env=None):
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=env)

    def stop(self, by=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(by)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self):
        self.stop(signal.SIGKILL)


class Mosquitto(Program):
    def __init__(self, folder):
        super().__init__(folder, "mosquitto")
        self.port = port()
        self.config = folder / "mosquitto.conf"
        store = folder / "mosquitto"
        store.mkdir(mode=0o777)
        user = "user root\n" if os.geteuid() == 0 else ""
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {store}/\n{user}")

    def start(self):
        program = "/usr/sbin/mosquitto" if pathlib.Path("/usr/sbin/mosquitto").exists() else "mosquitto"
        self.launch(program, "-c", str(self.config))

    def again(self):
        self.kill()
        self.start()


class Sensed(Program):
    def __init__(self, program, folder):
        super().__init__(folder, "sensed")
        self.program = program
        self.config = folder / "sensed.yaml"
        self.folder = folder / "state"
        self.folder.mkdir()

    def start(self):
        env = dict(os.environ, STATE_DIRECTORY=str(self.folder), RUNTIME_DIRECTORY=str(self.folder))
        self.launch(self.program, "run", "--config", str(self.config), env=env)


class Listener:
    """Hears everything, as a second client of the broker, and can speak."""

    def __init__(self, broker):
        self.lock = threading.Lock()
        self.latest, self.all = {}, []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_connect = lambda c, *_: c.subscribe("#", options=mqtt.SubscribeOptions(qos=1, retainAsPublished=True))
        self.client.on_message = self.hear
        self.client.reconnect_delay_set(1, 1)
        await_that("the broker", lambda: (self.connects(broker), "no connection"))
        self.client.loop_start()

    def connects(self, broker):
        try:
            self.client.connect("127.0.0.1", broker)
            return True
        except OSError:
            return False

    def hear(self, _client, _data, m):
        text = m.payload.decode("utf-8", "replace")
        with self.lock:
            self.latest[m.topic] = (text, m.retain)
            self.all.append((m.topic, text))

    def now(self):
        with self.lock:
            return {topic: text for topic, (text, _) in self.latest.items()}

    def retained(self, topic):
        with self.lock:
            return self.latest[topic][1]

    def topic(self, topic, want=None, empty=False):
        """The newest payload of a topic, once there is one, or once it is want."""

        def there():
            payload = self.now().get(topic, "" if empty else None)
            ok = payload == want if want is not None else payload is not None and (empty or payload != "")
            return ok, repr(payload)

        await_that(f"{topic} {want or ''}", there, every=0.05)
        return self.now().get(topic, "")

    def mark(self):
        with self.lock:
            return len(self.all)

    def after(self, mark, topic, want=None):
        """Waits for a message that came after the mark."""

        def came():
            with self.lock:
                return any(t == topic and want in (None, p) for t, p in self.all[mark:]), ""

        await_that(f"{topic} once more", came)

    def reply(self, command, status):
        def came():
            with self.lock:
                replies = [json.loads(p) for t, p in self.all if t == "sensed/porch/answer"]
            mine = [r for r in replies if r["command"] == command]
            return any(r["status"] == status for r in mine), mine[-1:]

        await_that(f"a reply to {command}", came)

    def say(self, topic, payload, retain=False):
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


class Hass(Program):
    def __init__(self, program, folder):
        super().__init__(folder, "hass")
        self.program = program
        self.port = port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = self.version = None
        self.config = folder / "hass"
        self.config.mkdir()
        (self.config / "configuration.yaml").write_text(
            f"homeassistant:\n  name: Check\n  time_zone: UTC\n  unit_system: metric\n"
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self.port}\n"
            "api:\nconfig:\nwebsocket_api:\nonboarding:\nlogger:\n  default: warning\n")

    def start(self):
        self.launch(self.program, "--skip-pip", "-c", str(self.config))
        await_that("Home Assistant", self.up, every=0.5)
        if self.token:
            await_that("that it runs", lambda: (self.get("/api/config")["state"] == "RUNNING", ""), every=0.5)

    def up(self):
        if self.process.poll() is not None:
            raise Failure(f"it ended: {self.output.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(self.url + "/api/onboarding", timeout=5)
        except urllib.error.HTTPError as e:
            return e.code in (401, 404), e  # 404: it is set up already
        except OSError as e:
            return False, e
        return True, ""

    def ask(self, path, data=None, form=False):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = None
        if form:
            body = urllib.parse.urlencode(data).encode()
        elif data is not None:
            body, headers["Content-Type"] = json.dumps(data).encode(), "application/json"
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers), timeout=30) as r:
            return r.read()

    def get(self, path):
        return json.loads(self.ask(path))

    def onboard(self, broker):
        """Makes the first user and connects the MQTT integration, as a person would."""
        client = self.url + "/"
        user = {"client_id": client, "name": "Check", "username": "check", "password": "check", "language": "en"}
        code = json.loads(self.ask("/api/onboarding/users", user))["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": client}
        short = json.loads(self.ask("/auth/token", grant, form=True))["access_token"]
        self.token = short
        self.token = self.socket({"type": "auth/long_lived_access_token", "client_name": "check", "lifespan": 1})
        for step in ("core_config", "analytics"):
            self.ask(f"/api/onboarding/{step}", {})
        flow = json.loads(self.ask("/api/config/config_entries/flow", {"handler": "mqtt"}))
        while flow["type"] == "menu":
            flow = json.loads(self.ask(f"/api/config/config_entries/flow/{flow['flow_id']}", {"next_step_id": flow["menu_options"][0]}))
        done = json.loads(self.ask(f"/api/config/config_entries/flow/{flow['flow_id']}", {"broker": "127.0.0.1", "port": broker}))
        if done["type"] != "create_entry":
            raise Failure(f"MQTT cannot be set up: {done}")
        self.version = self.get("/api/config")["version"]

    def socket(self, command):
        """One command over its websocket."""

        async def talk():
            async with aiohttp.ClientSession() as s, s.ws_connect(self.url + "/api/websocket", max_msg_size=0) as ws:
                await ws.receive_json()
                await ws.send_json({"type": "auth", "access_token": self.token})
                await ws.receive_json()
                await ws.send_json({"id": 1, **command})
                return (await ws.receive_json())["result"]

        return asyncio.run(talk())

    def registry(self):
        return self.socket({"type": "config/entity_registry/list"})

    def state(self, entity):
        try:
            return self.get("/api/states/" + entity)
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return {}
            raise

    def call(self, domain, service, entity, **data):
        try:
            self.ask(f"/api/services/{domain}/{service}", {"entity_id": entity, **data})
        except urllib.error.HTTPError as e:
            raise Failure(f"{domain}.{service} of {entity}: {e} {e.read()[:300]}") from e

    def picture(self, entity):
        return self.ask(self.state(entity)["attributes"]["entity_picture"])

    def log(self):
        return self.output.read_text(errors="replace").splitlines()
