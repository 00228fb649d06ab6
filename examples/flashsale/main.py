"""Flash sale: the queue takes ten orders, refuses all others, and hands them to the till at a steady rate."""

import os
import time

import pika
from pika.exceptions import NackError

QUEUE = "flashsale.orders"
BUYERS, LAMPS, PER_SECOND = 200, 10, 5


def sell(channel):
    """Publishes what all buyers want, and tells each of them how it went."""
    channel.confirm_delivery()  # basic_publish returns when the broker has taken the order, and raises if it has not
    sold_out = 0
    for buyer in range(1, BUYERS + 1):
        try:
            channel.basic_publish("", QUEUE, f"buyer {buyer}", pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent))
            print(f"website: buyer {buyer} has a lamp")
        except NackError:
            sold_out += 1
    print(f"website: told {sold_out} buyers that it is sold out")


def ship(channel):
    """The till."""
    began, shipped = time.monotonic(), 0
    for method, _, body in channel.consume(QUEUE):
        print(f"till: {body.decode()} pays")
        channel.basic_ack(method.delivery_tag)
        shipped += 1
        if shipped == LAMPS:
            break
    # The first second's worth may come at once.
    took = time.monotonic() - began
    assert took > (LAMPS / PER_SECOND - 1) * 0.9, f"{LAMPS} orders in {took:.1f} s are too many for the till"
    print(f"till: never more than {PER_SECOND} a second")


def main():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/")))
    channel = connection.channel()
    channel.queue_delete(QUEUE)  # yesterday's sale
    channel.queue_declare(QUEUE, durable=True, arguments={"x-accept-limit": LAMPS, "x-rate-limit": PER_SECOND})
    sell(channel)
    ship(channel)
    connection.close()


main()
