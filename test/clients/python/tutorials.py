"""The seven RabbitMQ tutorials."""

import threading

import pika
from harness import WAIT, Stream, bodies, connected, expect, scenario, take, unique


@scenario("hello")
def hello():
    with connected() as (_, channel):
        queue = unique("hello")
        channel.queue_declare(queue)
        channel.basic_publish("", queue, b"Hello World!")
        expect(bodies(channel, queue, 1), [b"Hello World!"])
        channel.queue_delete(queue)


@scenario("work-queues")
def work_queues():
    with connected() as (_, one), connected() as (_, two), connected() as (_, publisher):
        queue = unique("work")
        publisher.queue_declare(queue, durable=True)
        for n in range(4):
            publisher.basic_publish("", queue, b"%d" % n, pika.BasicProperties(delivery_mode=2))
        # With a prefetch of one, neither worker gets a second message before it has acknowledged its first.
        one.basic_qos(prefetch_count=1)
        two.basic_qos(prefetch_count=1)
        first = one.consume(queue, inactivity_timeout=WAIT)
        second = two.consume(queue, inactivity_timeout=WAIT)
        a, b = next(first), next(second)
        expect({a[2], b[2]}, {b"0", b"1"}, "the first of each worker")
        expect(publisher.queue_declare(queue, passive=True).method.message_count, 2, "ready while two are out")
        one.basic_ack(a[0].delivery_tag)
        c = next(first)
        expect(c[2], b"2", "the message after the ack")
        two.basic_ack(b[0].delivery_tag)
        d = next(second)
        expect(d[2], b"3", "the message for the worker that is free")
        one.basic_ack(c[0].delivery_tag)
        two.basic_ack(d[0].delivery_tag)
        publisher.queue_delete(queue)


@scenario("publish-subscribe")
def publish_subscribe():
    with connected() as (_, channel):
        exchange = unique("logs")
        channel.exchange_declare(exchange, "fanout")
        queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
        for q in queues:
            channel.queue_bind(q, exchange)
        channel.basic_publish(exchange, "ignored", b"to all")
        for q in queues:
            expect(bodies(channel, q, 1), [b"to all"])
        channel.exchange_delete(exchange)


@scenario("routing")
def routing():
    with connected() as (_, channel):
        exchange = unique("direct")
        channel.exchange_declare(exchange, "direct")
        errors = channel.queue_declare("", exclusive=True).method.queue
        every = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(errors, exchange, "error")
        for severity in ("info", "warning", "error"):
            channel.queue_bind(every, exchange, severity)
        for severity in ("info", "warning", "error", "debug"):
            channel.basic_publish(exchange, severity, severity.encode())
        expect(bodies(channel, every, 3), [b"info", b"warning", b"error"])
        expect(bodies(channel, errors, 1), [b"error"])
        channel.queue_unbind(every, exchange, "info")
        channel.basic_publish(exchange, "info", b"x")
        expect(channel.queue_declare(every, passive=True).method.message_count, 0, "after unbind")
        channel.exchange_delete(exchange)


@scenario("topics")
def topics():
    with connected() as (_, channel):
        exchange = unique("topic")
        channel.exchange_declare(exchange, "topic")
        wanted = {"*.orange.*": [b"quick.orange.rabbit", b"lazy.orange.elephant"],
                  "*.*.rabbit": [b"quick.orange.rabbit"],
                  "lazy.#": [b"lazy.orange.elephant", b"lazy", b"lazy.a.b.c.d"],
                  "#": [b"quick.orange.rabbit", b"lazy.orange.elephant", b"lazy", b"lazy.a.b.c.d", b"orange", b""]}
        queues = {}
        for pattern in wanted:
            queues[pattern] = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queues[pattern], exchange, pattern)
        for key in ("quick.orange.rabbit", "lazy.orange.elephant", "lazy", "lazy.a.b.c.d", "orange", ""):
            channel.basic_publish(exchange, key, key.encode())
        for pattern, keys in wanted.items():
            expect(bodies(channel, queues[pattern], len(keys)), keys, pattern)
            expect(channel.queue_declare(queues[pattern], passive=True).method.message_count, 0, pattern)
        channel.exchange_delete(exchange)


def serve_fibonacci(queue, count, ready):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    with connected() as (_, channel):
        channel.queue_declare(queue)
        channel.basic_qos(prefetch_count=1)
        requests = channel.consume(queue, inactivity_timeout=WAIT)
        ready.set()
        for _ in range(count):
            method, properties, body = next(requests)
            channel.basic_publish("", properties.reply_to, b"%d" % fib(int(body)),
                                  pika.BasicProperties(correlation_id=properties.correlation_id))
            channel.basic_ack(method.delivery_tag)
        channel.queue_delete(queue)


def call_fibonacci(reply_queue):
    queue, ready = unique("rpc"), threading.Event()
    server = threading.Thread(target=serve_fibonacci, args=(queue, 5, ready), daemon=True)
    server.start()
    assert ready.wait(WAIT)
    with connected() as (_, channel):
        reply_to = reply_queue(channel)
        replies = channel.consume(reply_to, auto_ack=True, inactivity_timeout=0.001)
        next(replies)  # registers the consumer: direct replies need it before the first request
        for n, wanted in ((1, b"1"), (5, b"5"), (10, b"55"), (12, b"144"), (15, b"610")):
            channel.basic_publish("", queue, b"%d" % n, pika.BasicProperties(reply_to=reply_to, correlation_id=f"id-{n}"))
            for _ in range(WAIT * 1000):
                method, properties, body = next(replies)
                if method:
                    break
            expect((properties.correlation_id, body), (f"id-{n}", wanted))
    server.join(WAIT)


@scenario("rpc-exclusive-queue")
def rpc_exclusive_queue():
    call_fibonacci(lambda channel: channel.queue_declare("", exclusive=True).method.queue)


@scenario("rpc-direct-reply-to")
def rpc_direct_reply_to():
    call_fibonacci(lambda _: "amq.rabbitmq.reply-to")


@scenario("confirms-individual")
def confirms_individual():
    with connected() as (_, channel):
        queue = unique("confirm")
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        for n in range(100):
            channel.basic_publish("", queue, b"%d" % n, pika.BasicProperties(delivery_mode=2))
        expect(channel.queue_declare(queue, passive=True).method.message_count, 100)
        channel.queue_delete(queue)


def stream(window):
    with connected() as (_, channel):
        queue = unique("confirm")
        channel.queue_declare(queue, durable=True)
        s = Stream(None, queue, 5000, window)
        s.wait()
        expect(s.confirmed, set(range(1, 5001)), "confirmed")
        expect([int(body) for _, _, body in take(channel, queue, 5000)], list(range(1, 5001)), "order")
        channel.queue_delete(queue)


@scenario("confirms-batch")
def confirms_batch():
    stream(100)


@scenario("confirms-async")
def confirms_async():
    stream(5000)
