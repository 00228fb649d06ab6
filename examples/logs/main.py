"""Logs: lines are routed by who wrote them and how bad they are, and an archive can be read again after it was read."""

import os

import pika

ARCHIVE = "logs.archive"
LINES = [  # routing keys and texts
    ("billing.info", "invoice 17 sent"),
    ("shop.info", "the doors are open"),
    ("shop.error", "the till is on fire"),
    ("billing.error", "invoice 18 bounced"),
    ("shop.info", "the fire is out"),
]


def declare(channel):
    channel.exchange_declare("logs", "topic", durable=True)
    channel.queue_delete(ARCHIVE)  # what an earlier run left there
    for queue, pattern, arguments in (
            ("logs.alarm", "*.error", None),
            ("logs.billing", "billing.#", None),
            (ARCHIVE, "#", {"x-retain-ms": 3_600_000})):
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.queue_bind(queue, "logs", pattern)


def publish(channel):
    channel.confirm_delivery()  # basic_publish returns when the broker has stored the line, and raises if it has not
    for routing_key, text in LINES:
        channel.basic_publish("logs", routing_key, text, pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent))
    print(f"programs: {len(LINES)} lines")


def consume(channel, who, queue, count, arguments=None):
    """Takes count lines off a queue, or only reads them if the arguments say from where."""
    channel.basic_qos(prefetch_count=10)
    for method, _, body in channel.consume(queue, arguments=arguments):
        print(f"{who}: {method.routing_key}: {body.decode()}")
        channel.basic_ack(method.delivery_tag)
        count -= 1
        if count == 0:
            channel.cancel()
            return


def main():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/")))
    channel = connection.channel()
    declare(channel)
    publish(channel)
    consume(channel, "alarm", "logs.alarm", 2)
    consume(channel, "accountants", "logs.billing", 2)
    consume(channel, "archivist", ARCHIVE, len(LINES))
    # The archive is empty for its consumers now, and still there to be read.
    consume(channel, "detective", ARCHIVE, len(LINES), {"x-stream-offset": "first"})
    consume(channel, "latecomer", ARCHIVE, 2, {"x-stream-offset": 3})
    connection.close()


main()
