"""Messages come back byte for byte, whatever their size, properties and frames."""

import datetime
import decimal
import hashlib
import random

import pika
from harness import connected, expect, scenario, take, unique

SIZES = (0, 1, 4087, 4088, 4089, 131_063, 131_064, 131_065, 131_071, 131_072, 131_073, 10 << 20)


def digest(body):
    return len(body), hashlib.sha256(body).hexdigest()


def round_trips(**settings):
    source = random.Random(5)
    with connected(**settings) as (_, channel):
        queue = unique("large")
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        for size in SIZES:
            body = source.randbytes(size)
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, message_id=str(size)))
            _, properties, got = take(channel, queue, 1)[0]
            expect((properties.message_id, digest(got)), (str(size), digest(body)), f"{size} bytes")
        channel.queue_delete(queue)


@scenario("large-messages")
def large_messages():
    round_trips()


@scenario("frame-max-4096")
def frame_max():
    round_trips(frame_max=4096)


@scenario("properties")
def properties():
    headers = {"string": "Grüße", "bytes": b"\x00\xff\xfe", "true": True, "false": False, "small": -5, "int": 2 ** 31 - 1,
               "long": -2 ** 62, "decimal": decimal.Decimal("3.14"), "none": None,
               "time": datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc), "empty": {},
               "array": [1, "two", [3, {"four": 4}], None],
               "table": {"a": {"b": {"c": [{"d": "deep"}]}}}, "": "empty name"}
    sent = dict(content_type="text/plain", content_encoding="utf-8", headers=headers, delivery_mode=2, priority=7,
                correlation_id="correlation", reply_to="reply", expiration="600000", message_id="message",
                timestamp=1_700_000_000, type="type", user_id="guest", app_id="app", cluster_id="cluster")
    with connected() as (_, channel):
        queue = unique("properties")
        channel.queue_declare(queue, durable=True)
        channel.basic_publish("", queue, b"body", pika.BasicProperties(**sent))
        channel.basic_publish("", queue, b"bare")
        (_, full, _), (_, bare, _) = take(channel, queue, 2)
        got_headers = dict(full.headers)
        for name, value in headers.items():
            got = got_headers[name]
            if isinstance(got, datetime.datetime) and got.tzinfo is None:
                got = got.replace(tzinfo=datetime.timezone.utc)
            expect(got, value, f"header {name}")
        expect(set(got_headers), set(headers))
        for name, value in sent.items():
            if name != "headers":
                expect(getattr(full, name), value, name)
        for name in sent:
            expect(getattr(bare, name), None, f"{name} of a bare message")
        channel.queue_delete(queue)
