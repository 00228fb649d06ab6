"""Extensions: dead letters, delays, who consumes first, transactions, streams, routing beyond one exchange, policies."""

import time
import urllib.parse

import pika
from harness import WAIT, bodies, connected, expect, http, kill_connection, scenario, take, unique


def declare(channel, what, arguments=None):
    queue = unique(what)
    channel.queue_declare(queue, durable=True, arguments=arguments)
    return queue


def to(queue, **more):
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, **more}


def deaths(properties):
    return [(d["queue"], d["reason"], d["count"]) for d in (properties.headers or {}).get("x-death", [])]


@scenario("dead-letter-reasons")
def dead_letter_reasons():
    with connected() as (_, channel):
        dead = declare(channel, "dead")
        quorum = {"x-queue-type": "quorum"}
        for reason, arguments in (("rejected", {}), ("rejected", quorum), ("expired", {"x-message-ttl": 50}),
                                  ("expired", {"x-message-ttl": 50, **quorum}), ("maxlen", {"x-max-length": 0}),
                                  ("maxlen", {"x-max-length": 0, "x-overflow": "reject-publish-dlx"}),
                                  ("delivery_limit", {"x-delivery-limit": 1, **quorum})):
            queue = declare(channel, reason, to(dead, **arguments))
            channel.basic_publish("", queue, b"x")
            if reason == "rejected":
                channel.basic_reject(take(channel, queue, 1, auto_ack=False)[0][0].delivery_tag, requeue=False)
            for _ in range(2 if reason == "delivery_limit" else 0):
                channel.basic_nack(take(channel, queue, 1, auto_ack=False)[0][0].delivery_tag, requeue=True)
            _, properties, _ = take(channel, dead, 1)[0]
            expect(deaths(properties), [(queue, reason, 1)], f"{reason} with {arguments}")
            expect(properties.headers["x-first-death-reason"], reason)
            channel.queue_delete(queue)
        channel.queue_delete(dead)


@scenario("dead-letter-cycle")
def dead_letter_cycle():
    """A message that only ever expired is dropped when it comes round; one that somebody rejected goes on."""
    with connected() as (_, channel):
        first, second = unique("cycle"), unique("cycle")
        channel.queue_declare(first, arguments=to(second, **{"x-message-ttl": 50}))
        channel.queue_declare(second, arguments=to(first, **{"x-message-ttl": 50}))
        back, work = unique("back"), unique("work")
        channel.queue_declare(work, arguments=to(back))
        channel.queue_declare(back, arguments=to(work, **{"x-message-ttl": 50}))
        channel.basic_publish("", work, b"rejected")
        for trips in range(3):
            method, properties, _ = take(channel, work, 1, auto_ack=False)[0]
            expect(deaths(properties)[1:], [(work, "rejected", trips)] if trips else [])
            channel.basic_reject(method.delivery_tag, requeue=False)
        for queue in (first, second, back, work):
            channel.queue_delete(queue)


@scenario("ttl-zero")
def ttl_zero():
    """With a TTL of 0 a message is for a consumer that waits, or for nobody."""
    with connected() as (_, channel):
        dead = declare(channel, "dead")
        for arguments, expiration in (({"x-message-ttl": 0}, None), ({}, "0")):
            queue = declare(channel, "zero", to(dead, **arguments))
            properties = pika.BasicProperties(expiration=expiration)
            channel.basic_publish("", queue, b"nobody", properties)
            expect(bodies(channel, dead, 1), [b"nobody"])
            got = []
            channel.basic_consume(queue, lambda _c, _m, _p, body, got=got: got.append(body), auto_ack=True, consumer_tag="waits")
            channel.basic_publish("", queue, b"somebody", properties)
            until = time.monotonic() + WAIT
            while not got and time.monotonic() < until:
                channel.connection.process_data_events(0.1)
            expect(got, [b"somebody"])
            channel.basic_cancel("waits")
            channel.queue_delete(queue)
        channel.queue_delete(dead)


@scenario("delayed-retry")
def delayed_retry():
    with connected() as (_, channel):
        work, retry = unique("work"), unique("retry")
        channel.queue_declare(work, arguments=to(retry))
        channel.queue_declare(retry, arguments=to(work, **{"x-message-ttl": 200}))
        channel.basic_publish("", work, b"stubborn")
        for attempt in range(4):
            began = time.monotonic()
            method, properties, _ = take(channel, work, 1, auto_ack=False)[0]
            assert attempt == 0 or time.monotonic() - began > 0.15, "tried again too soon"
            expect(sorted(deaths(properties)), sorted([(work, "rejected", attempt), (retry, "expired", attempt)] if attempt else []))
            channel.basic_reject(method.delivery_tag, requeue=False)
        channel.queue_delete(work)
        channel.queue_delete(retry)


@scenario("delayed-message")
def delayed_message():
    """The header works on every exchange, and on the one of RabbitMQ's plugin."""
    with connected() as (_, channel):
        queue, plugin = declare(channel, "delayed"), unique("delayed")
        channel.exchange_declare(plugin, "x-delayed-message", arguments={"x-delayed-type": "direct"})
        channel.queue_bind(queue, plugin, queue)
        for exchange in ("", plugin):
            began = time.monotonic()
            for delay in (600, 0, 300):
                channel.basic_publish(exchange, queue, b"%d" % delay, pika.BasicProperties(headers={"x-delay": delay}))
            expect(bodies(channel, queue, 3), [b"0", b"300", b"600"])
            assert time.monotonic() - began > 0.55, "delivered too soon"
        channel.queue_delete(queue)
        channel.exchange_delete(plugin)


@scenario("single-active-consumer")
def single_active_consumer():
    with connected() as (_, one), connected() as (other, two):
        queue = declare(one, "single", {"x-single-active-consumer": True})
        got = []
        one.basic_consume(queue, lambda _c, m, _p, body: got.append(("one", body)), auto_ack=True, consumer_tag="one")
        two.basic_consume(queue, lambda _c, m, _p, body: got.append(("two", body)), auto_ack=True, consumer_tag="two")
        for n in range(4):
            two.basic_publish("", queue, b"%d" % n)
            until = time.monotonic() + WAIT
            while len(got) == n and time.monotonic() < until:
                one.connection.process_data_events(0.02)
                other.process_data_events(0.02)
            if n == 1:
                one.basic_cancel("one")
        expect(got, [("one", b"0"), ("one", b"1"), ("two", b"2"), ("two", b"3")])
        two.queue_delete(queue)


@scenario("consumer-priority")
def consumer_priority():
    with connected() as (connection, channel):
        queue = declare(channel, "preferred")
        channel.basic_qos(prefetch_count=2)
        got = []
        for name, priority in (("low", -1), ("high", 10), ("middle", 0)):
            channel.basic_consume(queue, lambda _c, _m, _p, body, name=name: got.append((name, body)), consumer_tag=name,
                                  arguments={"x-priority": priority})
        for n in range(5):
            channel.basic_publish("", queue, b"%d" % n)
        until = time.monotonic() + WAIT
        while len(got) < 5 and time.monotonic() < until:
            connection.process_data_events(0.1)
        expect([name for name, _ in sorted(got, key=lambda pair: pair[1])], ["high", "high", "middle", "middle", "low"])
        channel.queue_delete(queue)


@scenario("transaction")
def transaction():
    with connected() as (_, channel), connected() as (_, observer):
        queues = [declare(channel, "tx") for _ in range(3)]
        channel.tx_select()
        for queue in queues:
            channel.basic_publish("", queue, b"undone")
        channel.tx_rollback()
        for queue in queues:
            channel.basic_publish("", queue, b"done")
        expect([observer.queue_declare(q, passive=True).method.message_count for q in queues], [0, 0, 0], "before the commit")
        channel.tx_commit()
        expect([observer.queue_declare(q, passive=True).method.message_count for q in queues], [1, 1, 1], "after it")
        method, _, body = take(channel, queues[0], 1, auto_ack=False)[0]
        channel.basic_ack(method.delivery_tag)
        channel.tx_rollback()  # the ack is undone, the message stays with the channel
        channel.basic_ack(method.delivery_tag)
        channel.tx_commit()
        expect(body, b"done")
        for queue in queues:
            observer.queue_delete(queue)


@scenario("stream")
def stream():
    with connected() as (_, channel):
        queue = declare(channel, "stream", {"x-queue-type": "stream"})
        channel.confirm_delivery()
        for n in range(10):
            channel.basic_publish("", queue, b"%d" % n)
        channel.basic_qos(prefetch_count=5)
        for offset, first in (("first", 0), (6, 6), ("first", 0)):
            got = []
            for method, properties, body in channel.consume(queue, arguments={"x-stream-offset": offset}, inactivity_timeout=WAIT):
                assert method is not None, f"only {got} came from offset {offset}"
                got.append((body, properties.headers["x-stream-offset"]))
                channel.basic_ack(method.delivery_tag)
                if body == b"9":
                    break
            channel.cancel()
            expect(got, [(b"%d" % n, n) for n in range(first, 10)])
        channel.queue_delete(queue)


@scenario("exchanges-and-alternates")
def exchanges():
    with connected() as (_, channel):
        rest, inner, outer = unique("rest"), unique("inner"), unique("outer")
        channel.exchange_declare(rest, "fanout")
        channel.exchange_declare(inner, "direct", internal=True, arguments={"alternate-exchange": rest})
        channel.exchange_declare(outer, "topic")
        channel.exchange_bind(inner, outer, "a.*")
        found, others = declare(channel, "found"), declare(channel, "others")
        channel.queue_bind(found, inner, "a.b")
        channel.queue_bind(others, rest)
        for key in ("a.b", "a.c", "b.a"):
            channel.basic_publish(outer, key, key.encode())
        expect((bodies(channel, found, 1), bodies(channel, others, 1)), ([b"a.b"], [b"a.c"]))
        channel.exchange_unbind(inner, outer, "a.*")
        channel.basic_publish(outer, "a.b", b"nowhere")
        expect(channel.queue_declare(found, passive=True).method.message_count, 0)
        for queue in (found, others):
            channel.queue_delete(queue)
        for exchange in (outer, inner, rest):
            channel.exchange_delete(exchange)


@scenario("policy")
def policy():
    with connected() as (_, channel):
        queue = declare(channel, "governed")
        path = "/api/policies/%2F/" + queue
        try:
            http("PUT", path, {"pattern": "^" + queue.replace(".", "[.]") + "$", "apply-to": "queues", "priority": 5,
                               "definition": {"max-length": 2, "overflow": "reject-publish"}})
            channel.confirm_delivery()
            refused, until = 0, time.monotonic() + WAIT
            while not refused and time.monotonic() < until:  # RabbitMQ applies a policy some time later
                channel.queue_purge(queue)
                for _ in range(5):
                    try:
                        channel.basic_publish("", queue, b"x")
                    except pika.exceptions.NackError:
                        refused += 1
            expect((refused, channel.queue_declare(queue, passive=True).method.message_count), (3, 2))
            expect(http("GET", path)["definition"]["max-length"], 2)
        finally:
            http("DELETE", path)
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            try:
                channel.basic_publish("", queue, b"free again")
                break
            except pika.exceptions.NackError:
                pass
        expect(channel.queue_declare(queue, passive=True).method.message_count, 3)
        channel.queue_delete(queue)


@scenario("killed-connection")
def killed_connection():
    name = unique("killed")
    with connected(client_properties={"connection_name": name}) as (connection, channel):
        queue = channel.queue_declare("", exclusive=True).method.queue
        kill_connection(name)
        try:
            while True:
                connection.process_data_events(WAIT)
        except pika.exceptions.ConnectionClosedByBroker as e:
            expect(e.reply_code, 320, e.reply_text)
    with connected() as (_, channel):
        try:
            channel.queue_declare(queue, passive=True)
            raise AssertionError("the exclusive queue outlived its connection")
        except pika.exceptions.ChannelClosedByBroker as e:
            expect(e.reply_code, 404)


@scenario("queue-names-in-paths")
def names_in_paths():
    with connected() as (_, channel):
        for name in ("a/b c%", "ü?&=#", ".."):
            queue = unique("path") + name
            channel.queue_declare(queue)
            expect(http("GET", "/api/queues/%2F/" + urllib.parse.quote(queue, safe=""))["name"], queue)
            channel.queue_delete(queue)
