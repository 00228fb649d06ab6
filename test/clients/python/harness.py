"""Runs scenarios one by one and prints a line for each; starts brokers of its own for those that kill one."""

import base64
import concurrent.futures
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
import urllib.request
import uuid

import pika

WAIT = 20  # seconds after which something that must happen is taken for lost

SCENARIOS = []
CLIENT = "python"  # the first word of the lines


def scenario(name):
    def add(function):
        SCENARIOS.append((name, function))
        return function

    return add


def run_all():
    return int(any([run(name, function) for name, function in wanted()]))


def wanted():
    pattern = re.compile(os.environ.get("SCENARIO", ""))
    return [(name, function) for name, function in SCENARIOS if pattern.search(name)]


def run(name, function):
    """Returns whether it failed."""
    began = time.monotonic()
    try:
        function()
    except BaseException as e:  # pylint: disable=broad-except
        traceback.print_exc()
        print(f"FAIL {CLIENT} {name}: {type(e).__name__}: {e}".replace("\n", " "), flush=True)
        return True
    print(f"ok   {CLIENT} {name} ({(time.monotonic() - began) * 1000:.0f} ms)", flush=True)
    return False


def run_apart(program, at_once=2):
    """Runs every scenario in a process of its own, some of them at once."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        ends = pool.map(lambda s: subprocess.run([sys.executable, "-u", program, s[0]], timeout=6 * WAIT, check=False), wanted())
    return int(any(end.returncode for end in ends))


def run_one(name):
    return int(run(name, dict(SCENARIOS)[name]))


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: got {shorten(got)}, wanted {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "..."


def unique(what):
    return f"py.{what}.{uuid.uuid4().hex[:8]}"


def parameters(url=None, **settings):
    p = pika.URLParameters(url or os.environ["CLIENTS_AMQP"] + "/%2F")
    p.socket_timeout = WAIT
    p.blocked_connection_timeout = WAIT
    for name, value in settings.items():
        setattr(p, name, value)
    return p


class connected:
    """with connected() as (connection, channel): an open connection and its first channel."""

    def __init__(self, url=None, **settings):
        self.parameters = parameters(url, **settings)

    def __enter__(self):
        self.connection = pika.BlockingConnection(self.parameters)
        return self.connection, self.connection.channel()

    def __exit__(self, *_):
        if self.connection.is_open:
            self.connection.close()


def take(channel, queue, count, auto_ack=True):
    """Consumes exactly count messages and returns them as (method, properties, body)."""
    got = []
    if count:
        for method, properties, body in channel.consume(queue, auto_ack=auto_ack, inactivity_timeout=WAIT):
            if method is None:
                raise AssertionError(f"only {len(got)} of {count} messages came from {queue}")
            got.append((method, properties, body))
            if len(got) == count:
                break
        channel.cancel()
    return got


def bodies(channel, queue, count):
    return [body for _, _, body in take(channel, queue, count)]


def http(method, path, body=None):
    """Calls the management API and returns what it answers, None without a body."""
    request = urllib.request.Request(os.environ["CLIENTS_HTTP"] + path, method=method,
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def kill_connection(name):
    """Closes the connection that gave itself this name, as an administrator would."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        for connection in http("GET", "/api/connections"):
            if connection["client_properties"].get("connection_name") == name:
                http("DELETE", "/api/connections/" + urllib.parse.quote(connection["name"], safe=""))
                return
        time.sleep(0.05)
    raise AssertionError(f"no connection {name}")


class Broker:
    """A broker of the scenario's own, that can be killed and started again on the same port and data."""

    def __init__(self, kafka="off", *arguments):
        """kafka is "on" or "off"; arguments are those of weir serve."""
        self.directory = tempfile.mkdtemp(prefix="python-", dir=os.environ.get("CLIENTS_TEMP"))
        self.port = free_port()
        self.kafka = f"127.0.0.1:{free_port(self.port)}" if kafka == "on" else kafka
        self.arguments = arguments
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        self.process = subprocess.Popen(
            [os.environ["CLIENTS_BIN"], "serve", "--data", self.directory + "/data",
             "--listen", f"amqp=127.0.0.1:{self.port}", "--listen", "http=off", "--listen", f"kafka={self.kafka}",
             *self.arguments],
            stdout=subprocess.PIPE, stderr=open(self.directory + "/log", "ab"), text=True)
        for line in self.process.stdout:
            if line.startswith("ready"):
                return
        raise AssertionError("broker did not start: " + open(self.directory + "/log").read()[-2000:])

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def terminate(self):
        self.process.terminate()
        expect(self.process.wait(WAIT), 0, "exit status after SIGTERM")


def free_port(*others):
    """A port below the ephemeral range, so that no outgoing connection takes it while the broker is down."""
    for n in range(200):
        port = 20000 + (os.getpid() * 7 + n * 13) % 10000
        if port in others:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Stream:
    """Publishes numbered messages on a SelectConnection in a thread, a window of them unconfirmed at a time."""

    def __init__(self, url, queue, count, window=500, mark=None):
        self.queue, self.count, self.window = queue, count, window
        self.mark = mark or count  # set reached when so many are confirmed
        self.reached, self.ended = threading.Event(), threading.Event()
        self.sent, self.confirmed, self.nacked = 0, set(), set()
        self.open_tags, self.low = set(), 1
        self.connection = pika.SelectConnection(
            parameters(url), on_open_callback=lambda c: c.channel(on_open_callback=self.opened),
            on_open_error_callback=self.closed, on_close_callback=self.closed)
        self.thread = threading.Thread(target=self.connection.ioloop.start, daemon=True)
        self.thread.start()

    def opened(self, channel):
        self.channel = channel
        channel.confirm_delivery(self.settled, callback=lambda _: self.fill())

    def fill(self):
        while self.channel.is_open and self.sent < self.count and len(self.open_tags) < self.window:
            self.sent += 1
            self.open_tags.add(self.sent)
            self.channel.basic_publish("", self.queue, str(self.sent).encode(), pika.BasicProperties(delivery_mode=2))
        if self.channel.is_open and self.sent == self.count and not self.open_tags:
            self.connection.close()

    def settled(self, frame):
        tag = frame.method.delivery_tag
        tags = {t for t in self.open_tags if t <= tag} if frame.method.multiple else {tag}
        (self.confirmed if isinstance(frame.method, pika.spec.Basic.Ack) else self.nacked).update(tags)
        self.open_tags -= tags
        if len(self.confirmed) >= self.mark:
            self.reached.set()
        self.fill()

    def closed(self, *_):
        self.connection.ioloop.stop()
        self.ended.set()

    def wait(self):
        if not self.ended.wait(WAIT * 2):
            raise AssertionError(f"stream stuck: {self.sent} sent, {len(self.confirmed)} confirmed")
        self.thread.join(WAIT)


def log(*words):
    print(*words, file=sys.stderr, flush=True)
