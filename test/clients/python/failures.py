"""Errors: their codes, and what survives them."""

import os

import pika
from harness import connected, expect, scenario, unique
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, ProbableAccessDeniedError, ProbableAuthenticationError


def channel_error(connection, code, action):
    """Runs action on a new channel, wants it closed with code, and the connection alive after it."""
    channel = connection.channel()
    try:
        action(channel)
        channel.queue_declare("", exclusive=True)  # so that an error after an asynchronous method arrives
        raise AssertionError(f"no error {code}")
    except ChannelClosedByBroker as e:
        expect(e.reply_code, code, e.reply_text)
    other = connection.channel()
    queue = other.queue_declare("", exclusive=True).method.queue
    other.basic_publish("", queue, b"alive")
    other.close()


def connection_error(code, action):
    connection = None
    try:
        connection = pika.BlockingConnection(pika.URLParameters(os.environ["CLIENTS_AMQP"] + "/%2F"))
        channel = connection.channel()
        action(channel)
        channel.queue_declare("", exclusive=True)
        raise AssertionError(f"no error {code}")
    except ConnectionClosedByBroker as e:
        expect(e.reply_code, code, e.reply_text)


@scenario("error-404")
def error_404():
    with connected() as (connection, _):
        missing = unique("missing")
        channel_error(connection, 404, lambda c: c.queue_declare(missing, passive=True))
        channel_error(connection, 404, lambda c: c.exchange_declare(missing, passive=True))
        channel_error(connection, 404, lambda c: c.basic_consume(missing, lambda *_: None))
        channel_error(connection, 404, lambda c: c.basic_get(missing))
        channel_error(connection, 404, lambda c: c.basic_publish(missing, "k", b""))
        channel_error(connection, 404, lambda c: c.queue_bind(c.queue_declare("", exclusive=True).method.queue, missing, "k"))


@scenario("error-403")
def error_403():
    with connected() as (connection, channel):
        channel_error(connection, 403, lambda c: c.queue_declare("amq.mine"))
        channel_error(connection, 403, lambda c: c.exchange_declare("amq.mine"))
        channel_error(connection, 403, lambda c: c.exchange_delete("amq.direct"))
        queue = unique("single")
        channel.queue_declare(queue)
        channel.basic_consume(queue, lambda *_: None, exclusive=True)
        channel_error(connection, 403, lambda c: c.basic_consume(queue, lambda *_: None))
        channel.queue_delete(queue)
    try:
        pika.BlockingConnection(pika.URLParameters(os.environ["CLIENTS_AMQP"].replace("guest:guest", "guest:wrong") + "/%2F"))
        raise AssertionError("wrong password accepted")
    except (ProbableAuthenticationError, ConnectionClosedByBroker) as e:
        assert "403" in str(e) or "ACCESS_REFUSED" in str(e), e


@scenario("error-405")
def error_405():
    with connected() as (_, owner), connected() as (connection, _):
        queue = unique("locked")
        owner.queue_declare(queue, exclusive=True)
        channel_error(connection, 405, lambda c: c.queue_declare(queue, exclusive=True))
        channel_error(connection, 405, lambda c: c.basic_consume(queue, lambda *_: None))
        channel_error(connection, 405, lambda c: c.queue_delete(queue))


@scenario("error-406-delivery-tag")
def error_406_delivery_tag():
    with connected() as (connection, channel):
        channel_error(connection, 406, lambda c: c.basic_ack(99))
        queue = unique("twice")
        channel.queue_declare(queue)
        channel.basic_publish("", queue, b"x")

        def twice(c):
            method, _, _ = c.basic_get(queue)
            c.basic_ack(method.delivery_tag)
            c.basic_ack(method.delivery_tag)

        channel_error(connection, 406, twice)
        channel.queue_delete(queue)


@scenario("error-406-inequivalent")
def error_406_inequivalent():
    with connected() as (connection, channel):
        queue, exchange = unique("args"), unique("args")
        channel.queue_declare(queue, durable=True, arguments={"x-message-ttl": 1000})
        channel.exchange_declare(exchange, "direct")
        channel_error(connection, 406, lambda c: c.queue_declare(queue, durable=False, arguments={"x-message-ttl": 1000}))
        channel_error(connection, 406, lambda c: c.queue_declare(queue, durable=True, arguments={"x-message-ttl": 2000}))
        channel_error(connection, 406, lambda c: c.queue_declare(queue, durable=True))
        channel_error(connection, 406, lambda c: c.exchange_declare(exchange, "fanout"))
        channel_error(connection, 406, lambda c: c.exchange_declare(exchange, "direct", durable=True))
        channel_error(connection, 406, lambda c: c.queue_declare(unique("bad"), arguments={"x-message-ttl": -1}))
        channel.queue_delete(queue)
        channel.exchange_delete(exchange)


@scenario("error-530")
def error_530():
    try:
        pika.BlockingConnection(pika.URLParameters(os.environ["CLIENTS_AMQP"] + "/no-such-vhost"))
        raise AssertionError("opened a vhost that does not exist")
    except ProbableAccessDeniedError as e:
        assert "(530)" in str(e), e

    def same_tag(channel):
        queue = channel.queue_declare("", exclusive=True).method.queue
        tag = channel.basic_consume(queue, lambda *_: None)
        channel._impl._send_method(pika.spec.Basic.Consume(queue=queue, consumer_tag=tag))

    connection_error(530, same_tag)


@scenario("error-540")
def error_540():
    def immediate(channel):
        channel._impl._send_method(pika.spec.Basic.Publish(exchange="", routing_key="q", immediate=True),
                                   (pika.BasicProperties(), b""))

    connection_error(540, immediate)
