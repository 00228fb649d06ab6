"""Connections over time: heartbeats, idleness, TLS, restarts and crashes of the broker."""

import os
import ssl
import threading
import time

import pika
from harness import WAIT, Broker, Stream, bodies, connected, expect, scenario, take, unique

HEARTBEAT = 1
IDLE = 20


class Idle(threading.Thread):
    """A connection without any traffic of ours, in the background of the other scenarios."""

    def __init__(self):
        super().__init__(daemon=True)
        self.outcome = "did not end"
        self.start()

    def run(self):
        try:
            with connected() as (connection, channel):
                queue = channel.queue_declare("", exclusive=True).method.queue
                connection.process_data_events(IDLE)
                channel.basic_publish("", queue, b"awake")
                expect(bodies(channel, queue, 1), [b"awake"])
            self.outcome = None
        except BaseException as e:  # pylint: disable=broad-except
            self.outcome = repr(e)


idle = Idle()


@scenario("heartbeat")
def heartbeat():
    with connected(heartbeat=HEARTBEAT) as (connection, channel):
        queue = channel.queue_declare("", exclusive=True).method.queue
        # Either side would have given up on a silent peer by then.
        connection.process_data_events(4 * HEARTBEAT)
        channel.basic_publish("", queue, b"beating")
        expect(bodies(channel, queue, 1), [b"beating"])


@scenario("tls")
def tls():
    context = ssl.create_default_context(cafile=os.environ["CLIENTS_CA"])
    with connected(os.environ["CLIENTS_AMQPS"] + "/%2F", ssl_options=pika.SSLOptions(context, "localhost")) as (_, channel):
        queue = channel.queue_declare("", exclusive=True).method.queue
        body = os.urandom(1 << 20)
        channel.basic_publish("", queue, body)
        expect(bodies(channel, queue, 1), [body])


@scenario("recovery")
def recovery():
    with Broker() as broker:
        queue = unique("kept")
        with connected(broker.url) as (connection, channel):
            channel.queue_declare(queue, durable=True)
            channel.queue_declare("transient")
            channel.confirm_delivery()
            for n in range(100):
                channel.basic_publish("", queue, b"%d" % n, pika.BasicProperties(delivery_mode=2))
            broker.terminate()
            try:
                connection.process_data_events(WAIT)
                raise AssertionError("the connection outlived the broker")
            except pika.exceptions.ConnectionClosedByBroker as e:
                expect(e.reply_code, 320, "reply code at shutdown")
        broker.start()
        with connected(broker.url) as (connection, channel):
            expect(channel.queue_declare(queue, passive=True).method.message_count, 100)
            expect(bodies(channel, queue, 100), [b"%d" % n for n in range(100)])
            try:
                channel.queue_declare("transient", passive=True)
                raise AssertionError("a transient queue survived")
            except pika.exceptions.ChannelClosedByBroker as e:
                expect(e.reply_code, 404)


class Drain(threading.Thread):
    """Consumes a queue and acknowledges in groups, until "end" comes or the connection goes."""

    def __init__(self, url, queue):
        super().__init__(daemon=True)
        self.url, self.queue, self.got, self.error = url, queue, [], None
        self.start()

    def run(self):
        try:
            with connected(self.url) as (_, channel):
                channel.basic_qos(prefetch_count=200)
                for method, _, body in channel.consume(self.queue, inactivity_timeout=WAIT):
                    if method is None:
                        raise AssertionError("nothing came any more")
                    self.got.append((body, method.redelivered))
                    if len(self.got) % 10 == 0 or body == b"end":
                        channel.basic_ack(method.delivery_tag, multiple=True)
                    if body == b"end":
                        return
        except (pika.exceptions.AMQPError, AssertionError) as e:
            self.error = e


def check_crash(confirmed, sent, parts):
    """Every confirmed message came, in order, at most again and then marked so, and none that was not sent."""
    seen = set()
    for part in parts:
        fresh = []
        for body, redelivered in part:
            if body == b"end":
                continue
            n = int(body)
            assert 1 <= n <= sent, f"message {n} was never sent"
            if n in seen:
                assert redelivered, f"message {n} came twice, the second time not marked as redelivered"
            else:
                fresh.append(n)
            seen.add(n)
        expect(fresh, sorted(fresh), "order")
    missing = confirmed - seen
    assert not missing, f"{len(missing)} of {len(confirmed)} confirmed messages are lost, first {min(missing)}"


def crash(consuming):
    with Broker() as broker:
        queue = unique("crash")
        with connected(broker.url) as (_, channel):
            channel.queue_declare(queue, durable=True)
        drain = Drain(broker.url, queue) if consuming else None
        stream = Stream(broker.url, queue, 10_000_000, window=1000, mark=3000)
        assert stream.reached.wait(WAIT), "no 3000 confirms"
        broker.kill()
        stream.wait()
        if drain:
            drain.join(WAIT)
        broker.start()
        with connected(broker.url) as (_, channel):
            channel.basic_publish("", queue, b"end", pika.BasicProperties(delivery_mode=2))
        rest = Drain(broker.url, queue)
        rest.join(WAIT * 2)
        assert rest.error is None and rest.got and rest.got[-1][0] == b"end", f"{rest.error} after {len(rest.got)}"
        check_crash(stream.confirmed, stream.sent, [drain.got if drain else [], rest.got])


@scenario("crash-backlog")
def crash_backlog():
    crash(False)


@scenario("crash-consuming")
def crash_consuming():
    crash(True)


@scenario("idle-20s")
def idle_20s():
    idle.join(IDLE + WAIT)
    expect(idle.outcome, None)
