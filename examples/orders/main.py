"""Orders: the shop announces an order once, and four services each get a copy."""

import json
import os
import sys
import threading

import pika

ORDERS = [
    {"id": 1, "customer": "Ada", "article": "a teapot", "price": 40},
    {"id": 2, "customer": "Grace", "article": "a lamp", "price": 25},
    {"id": 3, "customer": "Alan", "article": "a bicycle", "price": 310},
]
SERVICES = {
    "stock": lambda o: f"took {o['article']} off the shelf",
    "points": lambda o: f"gave {o['customer']} {o['price'] // 10} points",
    "mail": lambda o: f"told {o['customer']} that {o['article']} is on its way",
    "sms": lambda o: f"texted {o['customer']}",
}


def say(line):
    sys.stdout.write(line + "\n")


def connect():
    return pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/")))


def subscribe(name):
    """Makes the service's queue and binds it, on a connection of the service's own."""
    channel = connect().channel()
    channel.exchange_declare("orders", "fanout", durable=True)
    channel.queue_declare(f"orders.{name}", durable=True)
    channel.queue_bind(f"orders.{name}", "orders")
    channel.basic_qos(prefetch_count=10)  # at most ten orders in this service's hands
    return channel


def serve(name, channel, work):
    """Handles as many orders as there are. A real service would go on."""
    handled = 0
    for method, _, body in channel.consume(f"orders.{name}"):
        order = json.loads(body)
        say(f"{name}: order {order['id']}: {work(order)}")
        channel.basic_ack(method.delivery_tag)  # only now the broker forgets it
        handled += 1
        if handled == len(ORDERS):
            break
    channel.connection.close()


def publish():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()  # basic_publish returns when the broker has stored the order, and raises if it has not
    for order in ORDERS:
        properties = pika.BasicProperties(content_type="application/json", delivery_mode=pika.DeliveryMode.Persistent)
        channel.basic_publish("orders", "", json.dumps(order), properties)
        say(f"shop: order {order['id']} is stored")
    connection.close()


def main():
    services = [threading.Thread(target=serve, args=(name, subscribe(name), work)) for name, work in SERVICES.items()]
    for service in services:
        service.start()
    publish()
    for service in services:
        service.join()


main()
