"""What the scenarios have in common: clients, topics, and taking a number of records."""

import os
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import WAIT, unique


def settings(error_cb=None, **more):
    common = {"bootstrap.servers": os.environ["CLIENTS_KAFKA"], "socket.timeout.ms": WAIT * 1000, "log_level": 3}
    callback = {"error_cb": error_cb} if error_cb else {}
    return common | callback | {name.replace("_", "."): value for name, value in more.items()}


ADMINS = {}


def admin(**more):
    """It has to live until it has answered, and so is kept."""
    return ADMINS.setdefault(repr(more), AdminClient(settings(**more)))


def done(futures):
    """The results of what an admin client was asked for, by what it was asked about."""
    return {what: future.result(WAIT) for what, future in futures.items()}


def topic(what, partitions=1, config=None, **more):
    name = unique(what)
    done(admin(**more).create_topics([NewTopic(name, partitions, 1, config=config or {})], operation_timeout=WAIT))
    return name


class Reports:
    """Delivery reports of a producer."""

    def __init__(self):
        self.delivered, self.failed = [], []

    def __call__(self, error, message):
        if error is None:
            self.delivered.append((message.topic(), message.partition(), message.offset()))
        else:
            self.failed.append(error.name())


def produce(name, values, partition=0, **more):
    """Produces values, or dicts of the arguments of produce, and wants all of them delivered."""
    producer, reports = Producer(settings(**more)), Reports()
    for value in values:
        arguments = value if isinstance(value, dict) else {"value": value}
        producer.produce(name, partition=partition, on_delivery=reports, **arguments)
    left = producer.flush(WAIT)
    if left or reports.failed:
        raise AssertionError(f"{left} records not sent, failed: {reports.failed[:5]}")
    return reports.delivered


class consumer:
    """with consumer(group=…, topics…) as c: an open consumer."""

    def __init__(self, *topics, group=None, assign=None, **more):
        more.setdefault("auto_offset_reset", "earliest")
        more.setdefault("enable_auto_commit", False)
        self.consumer = Consumer(settings(group_id=group or unique("group"), **more))
        if assign:
            self.consumer.assign(assign)
        else:
            self.consumer.subscribe(list(topics))

    def __enter__(self):
        return self.consumer

    def __exit__(self, *_):
        self.consumer.close()


def take(c, count, seconds=WAIT):
    """Exactly count records."""
    got, until = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < until:
        for message in c.consume(min(count - len(got), 1000), timeout=0.2):
            if message.error():
                raise AssertionError(f"consume: {message.error()}")
            got.append(message)
    if len(got) < count:
        raise AssertionError(f"only {len(got)} of {count} records came")
    return got


def nothing(c, seconds=1):
    got = c.consume(10, timeout=seconds)
    if got:
        raise AssertionError(f"unexpected: {[(m.value(), m.error()) for m in got]}")


def read(name, count, partition=0, offset=0, **more):
    """The records of a partition from an offset on."""
    with consumer(assign=[TopicPartition(name, partition, offset)], **more) as c:
        return take(c, count)


def until(condition, what):
    """Waits until condition() is true."""
    limit = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.05)
