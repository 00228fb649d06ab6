"""The same messages through AMQP and Kafka, both ways."""

import time

import pika
from confluent_kafka import TopicPartition

from harness import connected, expect, scenario, take as take_amqp, unique
from kafka import consumer, nothing, produce, read, take, topic


@scenario("a topic is read as a queue with a cursor")
def view():
    name = topic("view", 3)
    with connected() as (_, channel):
        channel.queue_declare(f"{name}::billing", durable=True, arguments={"x-stream-offset": "first"})
        for p in range(3):
            produce(name, [{"key": b"key%d" % i, "value": b"%d.%d" % (p, i), "headers": [("content-type", b"text/plain"), ("h", b"1")]} for i in range(10)],
                    partition=p)
        got = take_amqp(channel, f"{name}::billing", 30, auto_ack=False)
        expect(sorted(body for _, _, body in got), sorted(b"%d.%d" % (p, i) for p in range(3) for i in range(10)), "bodies")
        _, properties, _ = got[0]
        expect((properties.content_type, properties.headers["h"], properties.headers["x-record-key"][:3]), ("text/plain", "1", "key"), "properties")
        channel.basic_ack(got[0][0].delivery_tag)
        channel.basic_nack(got[-1][0].delivery_tag, multiple=True, requeue=True)
        again = take_amqp(channel, f"{name}::billing", 29)
        expect(all(method.redelivered for method, _, _ in again), True, "redelivered")


@scenario("an exchange is bound to a topic")
def bound():
    name, exchange = topic("bound"), unique("exchange")
    with connected() as (_, channel):
        channel.exchange_declare(exchange, "topic", durable=True)
        channel.queue_bind(name, exchange, "order.#")
        channel.confirm_delivery()
        properties = pika.BasicProperties(content_type="application/json", correlation_id="c1", reply_to="answers", headers={"n": "x"}, delivery_mode=2)
        channel.basic_publish(exchange, "order.new", b"{}", properties, mandatory=True)
        channel.basic_publish(exchange, "other", b"not for it")
        channel.basic_publish("", name, b"direct", mandatory=True)
        channel.exchange_delete(exchange)
    first, second = read(name, 2)
    headers = dict(first.headers())
    expect((first.key(), first.value()), (b"order.new", b"{}"), "key and value")
    expect({k: headers[k] for k in ("content-type", "correlation-id", "reply-to", "n", "x-routing-key")},
           {"content-type": b"application/json", "correlation-id": b"c1", "reply-to": b"answers", "n": b"x", "x-routing-key": b"order.new"}, "headers")
    expect(second.value(), b"direct", "through the default exchange")


@scenario("a queue is read as a topic, and nothing is taken")
def queue():
    name = unique("queue")
    with connected() as (_, channel):
        channel.queue_declare(name, durable=True)
        channel.confirm_delivery()
        for i in range(50):
            channel.basic_publish("", name, b"%d" % i, pika.BasicProperties(delivery_mode=2))
        expect([m.value() for m in read(name, 50)], [b"%d" % i for i in range(50)], "through Kafka")
        with consumer(name) as c:
            take(c, 50)
            c.commit(asynchronous=False)
            nothing(c)
        produce(name, [b"from Kafka"])
        got = [body for _, _, body in take_amqp(channel, name, 51)]
        expect(got, [b"%d" % i for i in range(50)] + [b"from Kafka"], "through AMQP")
        channel.queue_delete(name)


@scenario("there and back")
def there_and_back():
    source, target = topic("there"), topic("back")
    sent = {"key": b"k\x00", "value": b"v", "headers": [("a", b"1"), ("a", None), ("message-id", b"m")], "timestamp": int(time.time()) * 1000 + 123}
    produce(source, [sent])
    with connected() as (_, channel):
        channel.confirm_delivery()
        channel.queue_declare(f"{source}::copy", durable=True, arguments={"x-stream-offset": "first"})
        method, properties, body = take_amqp(channel, f"{source}::copy", 1)[0]
        channel.basic_publish("", target, body, properties)
    got = read(target, 1)[0]
    expect((got.key(), got.value(), got.timestamp()[1]), (sent["key"], sent["value"], sent["timestamp"]), "record")
    expect([h for h in got.headers() if h[0] == "a"], sent["headers"][:2], "headers")
    expect(dict(got.headers())["message-id"], b"m", "message id")


@scenario("a transaction is seen by a view once it is committed")
def transaction():
    from transactions import transactional
    name = topic("txview")
    with connected() as (_, channel):
        channel.queue_declare(f"{name}::v", arguments={"x-stream-offset": "first"}, durable=True)
        p = transactional()
        p.begin_transaction()
        p.produce(name, b"aborted")
        p.abort_transaction(20)
        p.begin_transaction()
        p.produce(name, b"committed")
        p.flush(20)
        expect(channel.basic_get(f"{name}::v")[0], None, "before the commit")
        p.commit_transaction(20)
        expect([b for _, _, b in take_amqp(channel, f"{name}::v", 1)], [b"committed"], "after it")
    expect(read(name, 1)[0].offset() >= 0 and TopicPartition(name, 0) is not None, True, "and by Kafka")
