"""Registration: a mail that cannot be sent is tried again later, and set aside after the third time."""

import os

import pika

MAIL, RETRY, FAILED = "registration.mail", "registration.retry", "registration.failed"
ATTEMPTS_MAX = 3

# How often the mail server refuses an address.
FAILURES = {"ada@example.org": 0, "grace@example.org": 1, "nobody@example.org": 100}


def declare(channel):
    """The three queues. The default exchange "" delivers to the queue named by the routing key."""
    channel.queue_declare(MAIL, durable=True, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": RETRY})
    channel.queue_declare(RETRY, durable=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": MAIL, "x-message-ttl": 1000})
    channel.queue_declare(FAILED, durable=True)


def mail(channel):
    """Handles registrations until every one is either sent or set aside. A real mailer would go on."""
    still_open = len(FAILURES)
    for method, properties, body in channel.consume(MAIL):
        address, attempt = body.decode(), attempts(properties.headers) + 1
        if attempt > FAILURES[address]:
            print(f"mailer: {address}: sent at attempt {attempt}")
            channel.basic_ack(method.delivery_tag)
            still_open -= 1
        elif attempt < ATTEMPTS_MAX:
            print(f"mailer: {address}: attempt {attempt} failed, again in a second")
            channel.basic_reject(method.delivery_tag, requeue=False)  # not back into this queue: to the dead letters
        else:
            print(f"mailer: {address}: attempt {attempt} failed, set aside")
            # First stored there, then forgotten here: a crash in between makes two of it, never none.
            publish(channel, FAILED, body, properties.headers)
            channel.basic_ack(method.delivery_tag)
            still_open -= 1
        if still_open == 0:
            return


def attempts(headers):
    """How often the mailer has rejected a message before."""
    for death in (headers or {}).get("x-death", []):
        if (death["queue"], death["reason"]) == (MAIL, "rejected"):
            return death["count"]
    return 0


def publish(channel, queue, body, headers=None):
    channel.basic_publish("", queue, body, pika.BasicProperties(headers=headers, delivery_mode=pika.DeliveryMode.Persistent))


def main():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/")))
    channel = connection.channel()
    declare(channel)
    channel.confirm_delivery()  # basic_publish returns when the broker has stored the message, and raises if it has not
    for address in FAILURES:
        publish(channel, MAIL, address)
        print(f"website: {address} registered")
    mail(channel)
    connection.close()


main()
