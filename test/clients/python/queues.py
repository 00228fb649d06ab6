"""What queues and exchanges do with messages: settle, expire, limit, order, cancel."""

import calendar
import threading
import time

import pika
from harness import WAIT, bodies, connected, expect, scenario, take, unique
from pika.exceptions import NackError, UnroutableError


@scenario("mandatory-return")
def mandatory_return():
    with connected() as (_, channel):
        channel.confirm_delivery()
        exchange = unique("nobody")
        channel.exchange_declare(exchange, "direct")
        # pika raises this only where the return came before the confirm.
        try:
            channel.basic_publish(exchange, "nowhere", b"lost", pika.BasicProperties(message_id="m"), mandatory=True)
            raise AssertionError("no return")
        except UnroutableError as e:
            returned = e.messages[0]
            expect((returned.method.reply_code, returned.method.reply_text), (312, "NO_ROUTE"))
            expect((returned.method.exchange, returned.method.routing_key), (exchange, "nowhere"))
            expect((returned.properties.message_id, returned.body), ("m", b"lost"))
        channel.basic_publish(exchange, "nowhere", b"dropped")  # confirmed without a return
        channel.exchange_delete(exchange)


@scenario("requeue-order")
def requeue_order():
    with connected() as (_, channel):
        queue = unique("requeue")
        channel.queue_declare(queue)
        for n in range(5):
            channel.basic_publish("", queue, b"%d" % n)
        got = take(channel, queue, 5, auto_ack=False)
        expect([m.redelivered for m, _, _ in got], [False] * 5)
        for method, _, _ in got:
            channel.basic_nack(method.delivery_tag, requeue=True)
        again = take(channel, queue, 5, auto_ack=False)
        expect([(body, m.redelivered) for m, _, body in again], [(b"%d" % n, True) for n in range(5)])
        channel.basic_nack(again[4][0].delivery_tag, multiple=True, requeue=True)
        third = take(channel, queue, 5, auto_ack=False)
        expect([body for _, _, body in third], [b"%d" % n for n in range(5)], "after nack multiple")
        channel.basic_reject(third[1][0].delivery_tag, requeue=True)
        fourth = take(channel, queue, 1, auto_ack=False)
        expect(fourth[0][2], b"1", "after one reject")
        channel.queue_delete(queue)


@scenario("dead-letter-reject")
def dead_letter_reject():
    with connected() as (_, channel):
        queue, exchange = unique("source"), unique("dlx")
        channel.exchange_declare(exchange, "fanout")
        dead = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(dead, exchange)
        channel.queue_declare(queue, arguments={"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "buried"})
        before = int(time.time())
        channel.basic_publish("", queue, b"bad", pika.BasicProperties(headers={"mine": 7}, message_id="id"))
        method, _, _ = take(channel, queue, 1, auto_ack=False)[0]
        channel.basic_reject(method.delivery_tag, requeue=False)
        method, properties, body = take(channel, dead, 1)[0]
        expect((method.exchange, method.routing_key, body), (exchange, "buried", b"bad"))
        expect((properties.headers["mine"], properties.message_id), (7, "id"))
        death = dict(properties.headers["x-death"][0])
        died = death.pop("time")
        expect(death, {"count": 1, "reason": "rejected", "queue": queue, "exchange": "", "routing-keys": [queue]}, "x-death")
        seconds = calendar.timegm(died.timetuple()) if died.tzinfo is None else died.timestamp()
        assert before - 1 <= seconds <= time.time() + 1, f"time of death {died}"
        for what, wanted in (("reason", "rejected"), ("queue", queue), ("exchange", "")):
            expect(properties.headers[f"x-first-death-{what}"], wanted, f"x-first-death-{what}")
        channel.queue_delete(queue)
        channel.exchange_delete(exchange)


def expire(queue_arguments, properties, original):
    with connected() as (_, channel):
        queue = unique("ttl")
        dead = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_declare(queue, arguments={
            **queue_arguments, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        began = time.monotonic()
        channel.basic_publish("", queue, b"late", properties)
        _, properties, body = take(channel, dead, 1)[0]
        took = time.monotonic() - began
        expect(body, b"late")
        assert 0.15 <= took < 5, f"expired after {took:.3f} s"
        death = properties.headers["x-death"][0]
        expect((death["reason"], death["queue"], death["count"]), ("expired", queue, 1))
        expect(death.get("original-expiration"), original)
        expect(properties.expiration, None, "expiration after dead-lettering")
        expect(channel.queue_declare(queue, passive=True).method.message_count, 0)
        channel.queue_delete(queue)


@scenario("ttl-queue")
def ttl_queue():
    expire({"x-message-ttl": 200}, pika.BasicProperties(), None)


@scenario("ttl-message")
def ttl_message():
    expire({}, pika.BasicProperties(expiration="200"), "200")
    expire({"x-message-ttl": 60000}, pika.BasicProperties(expiration="200"), "200")


@scenario("priority")
def priority():
    with connected() as (_, channel):
        queue = unique("priority")
        channel.queue_declare(queue, arguments={"x-max-priority": 5})
        for n, p in enumerate((0, 5, 1, 3, 5, 9, None, 3)):
            channel.basic_publish("", queue, b"%d" % n, pika.BasicProperties(priority=p))
        expect(b"".join(bodies(channel, queue, 8)), b"14537206")
        channel.queue_delete(queue)


@scenario("max-length-drop-head")
def drop_head():
    with connected() as (_, channel):
        queue = unique("short")
        dead = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_declare(queue, arguments={
            "x-max-length": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        for n in range(5):
            channel.basic_publish("", queue, b"%d" % n)
        gone = take(channel, dead, 2)
        expect([(body, p.headers["x-death"][0]["reason"]) for _, p, body in gone], [(b"0", "maxlen"), (b"1", "maxlen")])
        expect(bodies(channel, queue, 3), [b"2", b"3", b"4"])
        channel.queue_delete(queue)
        channel.queue_declare(queue, arguments={"x-max-length-bytes": 10})
        for n in range(4):
            channel.basic_publish("", queue, b"%d...." % n)
        expect(bodies(channel, queue, 2), [b"2....", b"3...."], "by bytes")
        channel.queue_delete(queue)


@scenario("max-length-reject-publish")
def reject_publish():
    with connected() as (_, channel):
        queue = unique("full")
        channel.queue_declare(queue, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
        channel.confirm_delivery()
        outcome = []
        for n in range(4):
            try:
                channel.basic_publish("", queue, b"%d" % n)
                outcome.append("ack")
            except NackError:
                outcome.append("nack")
        expect(outcome[0], "ack")
        expect(outcome[-1], "nack")
        expect(bodies(channel, queue, outcome.count("ack")), [b"%d" % n for n in range(outcome.count("ack"))])
        channel.basic_publish("", queue, b"room again")
        channel.queue_delete(queue)


@scenario("exclusive-queue")
def exclusive_queue():
    with connected() as (_, observer):
        with connected() as (_, channel):
            queue = unique("mine")
            channel.queue_declare(queue, exclusive=True)
            try:
                observer.basic_get(queue)
                raise AssertionError("not locked")
            except pika.exceptions.ChannelClosedByBroker as e:
                expect(e.reply_code, 405)
        gone(queue)


def gone(queue):
    with connected() as (_, channel):
        try:
            channel.queue_declare(queue, passive=True)
            raise AssertionError(f"{queue} is still there")
        except pika.exceptions.ChannelClosedByBroker as e:
            expect(e.reply_code, 404)


@scenario("auto-delete-queue")
def auto_delete_queue():
    with connected() as (_, channel):
        queue = unique("auto")
        channel.queue_declare(queue, auto_delete=True)
        channel.queue_declare(queue, auto_delete=True)  # stays while nobody has consumed
        one = channel.basic_consume(queue, lambda *_: None)
        two = channel.basic_consume(queue, lambda *_: None)
        channel.basic_cancel(one)
        channel.queue_declare(queue, passive=True)
        channel.basic_cancel(two)
        gone(queue)


@scenario("server-named-queue")
def server_named_queue():
    with connected() as (_, channel):
        a = channel.queue_declare("", exclusive=True).method.queue
        b = channel.queue_declare("", exclusive=True).method.queue
        assert a.startswith("amq.gen-") and a != b, (a, b)
        exchange = unique("last")
        channel.exchange_declare(exchange, "direct")
        channel.queue_bind("", exchange, "k")  # the queue declared last
        channel.basic_publish(exchange, "k", b"x")
        expect(bodies(channel, b, 1), [b"x"])
        channel.exchange_delete(exchange)


@scenario("cancel-notify")
def cancel_notify():
    with connected() as (connection, channel), connected() as (_, other):
        queue, cancelled = unique("doomed"), threading.Event()
        channel.queue_declare(queue)
        channel.add_on_cancel_callback(lambda frame: cancelled.set())
        channel.basic_consume(queue, lambda *_: None)
        other.queue_delete(queue)
        for _ in range(WAIT * 10):
            connection.process_data_events(0.1)
            if cancelled.is_set():
                break
        assert cancelled.is_set(), "no basic.cancel"
        channel.queue_declare("", exclusive=True)  # the channel lives


@scenario("get-purge-passive")
def get_purge_passive():
    with connected() as (_, channel):
        queue = unique("get")
        expect(channel.queue_declare(queue).method.message_count, 0)
        expect(channel.basic_get(queue)[0], None, "get of an empty queue")
        for n in range(5):
            channel.basic_publish("", queue, b"%d" % n)
        method, _, body = channel.basic_get(queue)
        expect((body, method.message_count, method.redelivered), (b"0", 4, False))
        expect(channel.basic_get(queue, auto_ack=True)[2], b"1")
        declared = channel.queue_declare(queue, passive=True).method
        expect((declared.message_count, declared.consumer_count), (3, 0))
        channel.basic_consume(unique_empty(channel), lambda *_: None)
        expect(channel.queue_purge(queue).method.message_count, 3, "purged")
        channel.basic_nack(method.delivery_tag, requeue=True)
        method, _, body = channel.basic_get(queue, auto_ack=True)
        expect((body, method.redelivered), (b"0", True), "what was out during the purge")
        expect(channel.queue_delete(queue).method.message_count, 0)


def unique_empty(channel):
    return channel.queue_declare("", exclusive=True).method.queue


@scenario("headers-exchange")
def headers_exchange():
    with connected() as (_, channel):
        exchange = unique("headers")
        channel.exchange_declare(exchange, "headers")
        binds = {"all": {"x-match": "all", "format": "pdf", "pages": 3}, "any": {"x-match": "any", "format": "pdf", "pages": 3}}
        queues = {}
        for name, arguments in binds.items():
            queues[name] = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queues[name], exchange, "", arguments)
        for body, headers in ((b"both", {"format": "pdf", "pages": 3, "more": True}), (b"one", {"format": "pdf"}),
                              (b"other", {"format": "zip", "pages": 3}), (b"none", {"format": "zip"}), (b"bare", None)):
            channel.basic_publish(exchange, "", body, pika.BasicProperties(headers=headers))
        expect(bodies(channel, queues["all"], 1), [b"both"])
        expect(bodies(channel, queues["any"], 3), [b"both", b"one", b"other"])
        for q in queues.values():
            expect(channel.queue_declare(q, passive=True).method.message_count, 0)
        channel.exchange_delete(exchange)
