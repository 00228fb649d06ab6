"""Transactions: atomicity, fencing, and copies that are exact whatever happens to the broker."""

import threading
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from harness import WAIT, Broker, expect, log, scenario, unique
from kafka import admin, consumer, done, nothing, produce, read, settings, take, topic, until


def transactional(**more):
    p = Producer(settings(**({"transactional_id": unique("tx")} | more)))
    p.init_transactions(WAIT)
    return p


@scenario("commit and abort")
def commit_and_abort():
    name = topic("tx", 2)
    p = transactional()
    for i in range(10):
        p.begin_transaction()
        p.produce(name, b"%d" % i, partition=i % 2)
        p.produce(name, b"%d" % i, partition=(i + 1) % 2)
        p.flush(WAIT)  # what is not sent yet, an abort drops
        (p.commit_transaction if i % 3 else p.abort_transaction)(WAIT)
    kept = [b"%d" % i for i in range(10) if i % 3]
    for partition in range(2):
        expect([m.value() for m in read(name, len(kept), partition)], kept, "committed")
        everything = [m.value() for m in read(name, 10, partition, isolation_level="read_uncommitted")]
        expect(everything, [b"%d" % i for i in range(10)], "all")


@scenario("an open transaction holds committed readers back")
def stable_offset():
    name = topic("lso")
    p = transactional()
    p.begin_transaction()
    p.produce(name, b"open")
    p.flush(WAIT)
    produce(name, [b"behind"])
    with consumer(assign=[TopicPartition(name, 0, 0)]) as c:
        nothing(c)
        latest = admin().list_offsets({TopicPartition(name, 0): OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED)
        expect(next(iter(done(latest).values())).offset, 0, "last stable offset")
        p.commit_transaction(WAIT)
        expect([m.value() for m in take(c, 2)], [b"open", b"behind"], "after the commit")


@scenario("a second producer fences the first")
def fencing():
    name, ident = topic("fence"), unique("tx")
    first = transactional(transactional_id=ident)
    first.begin_transaction()
    first.produce(name, b"first")
    first.flush(WAIT)
    second = transactional(transactional_id=ident)
    second.begin_transaction()
    second.produce(name, b"second")
    second.commit_transaction(WAIT)
    try:
        first.commit_transaction(WAIT)
        raise AssertionError("the first one could commit")
    except KafkaException as e:
        expect(e.args[0].fatal() or e.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH), True, str(e))
    expect([m.value() for m in read(name, 1)], [b"second"], "committed")


@scenario("a transaction that takes too long is aborted")
def timeout():
    name = topic("timeout")
    p = transactional(transaction_timeout_ms=1000, socket_timeout_ms=1000)
    p.begin_transaction()
    p.produce(name, b"lost")
    p.flush(WAIT)
    produce(name, [b"behind"])
    expect([m.value() for m in read(name, 1)], [b"behind"], "after the abort")


def copy(source, target, group, ident, stop, count, **more):
    """Copies in transactions of up to 50 records until stop is set; an error starts it over.

    librdkafka's rebootstrapping is off: where its only broker is away while it sends offsets, it can wait for ever.
    """
    while not stop.is_set():
        c = Consumer(settings(group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, isolation_level="read_committed", **more))
        p = Producer(settings(transactional_id=ident, transaction_timeout_ms=10000, message_timeout_ms=8000, socket_timeout_ms=5000, metadata_recovery_strategy="none", **more))
        try:
            p.init_transactions(WAIT)
            c.subscribe([source])
            while not stop.is_set():
                batch = [m for m in c.consume(50, timeout=0.2) if not m.error()]
                if not batch:
                    continue
                p.begin_transaction()
                for m in batch:
                    p.produce(target, m.value(), partition=0)
                p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), WAIT)
                p.commit_transaction(WAIT)
                count[0] += len(batch)
        except KafkaException as e:
            log(time.monotonic(), "the copy starts over:", e)  # a new producer of the same name finds out how the last transaction ended
        finally:
            c.close()
            del p


@scenario("offsets within transactions")
def offsets():
    source, target, group = topic("source"), topic("target"), unique("group")
    produce(source, [b"%d" % i for i in range(500)])
    stop, count = threading.Event(), [0]
    worker = threading.Thread(target=copy, args=(source, target, group, unique("tx"), stop, count), daemon=True)
    worker.start()
    until(lambda: count[0] >= 500, "the copy")
    stop.set()
    worker.join(WAIT)
    expect([m.value() for m in read(target, 500)], [b"%d" % i for i in range(500)], "copied")
    committed = next(iter(done(admin().list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()))
    expect([p.offset for p in committed.topic_partitions], [500], "position")


@scenario("an exact copy, kill -9 in the middle")
def exact_copy():
    records = 6000
    with Broker("on") as broker:
        at = {"bootstrap_servers": broker.kafka}
        source, target, group = topic("source", 3, **at), topic("target", **at), unique("group")
        for p in range(3):
            produce(source, [b"%d" % i for i in range(p, records, 3)], partition=p, **at)
        stop, count = threading.Event(), [0]
        worker = threading.Thread(target=copy, args=(source, target, group, unique("tx"), stop, count), kwargs=at, daemon=True)
        worker.start()
        for mark in [1000, 2500]:
            until(lambda: count[0] >= mark, f"{mark} records")
            broker.kill()
            broker.start()
        # Producing ends transactions, so that what is committed can only be seen once the last one is.
        seen = {}
        with consumer(assign=[TopicPartition(target, 0, 0)], **at) as c:
            limit = time.monotonic() + 3 * WAIT
            while len(seen) < records and time.monotonic() < limit:
                for m in c.consume(500, timeout=0.2):
                    if not m.error():
                        seen[m.value()] = seen.get(m.value(), 0) + 1
            nothing_more = [m.value() for m in c.consume(500, timeout=1) if not m.error()]
        stop.set()
        worker.join(WAIT)
        expect(len(seen), records, "records seen")
        expect([v for v, n in seen.items() if n > 1] + nothing_more, [], "seen twice")


@scenario("idempotence across kill -9")
def idempotence():
    records = 20000
    with Broker("on") as broker:
        at = {"bootstrap_servers": broker.kafka}
        name, acknowledged = topic("idempotent", **at), []
        p = Producer(settings(enable_idempotence=True, linger_ms=5, batch_num_messages=100, **at))
        killed = False
        for i in range(records):
            p.produce(name, b"%d" % i, partition=0, on_delivery=lambda error, m: acknowledged.append((error, int(m.value()))))
            p.poll(0)
            if i > records // 2 and not killed and acknowledged:
                killed = True
                broker.kill()
                broker.start()
        expect(p.flush(3 * WAIT), 0, "left")
        expect([e for e, _ in acknowledged if e], [], "errors")
        got = [int(m.value()) for m in read(name, records, **at)]
        expect(got, list(range(records)), "in order, once each")
