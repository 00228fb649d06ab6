"""Producing and consuming: what records are made of, where they are, and what is refused."""

import time

from confluent_kafka import OFFSET_END, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import ConfigResource, NewTopic

from harness import WAIT, expect, scenario, unique
from kafka import Reports, admin, consumer, done, nothing, produce, read, settings, take, topic

STARTED = int(time.time() * 1000)


@scenario("records of every shape")
def shapes():
    name = topic("shapes")
    sent = [
        {"key": b"k", "value": b"v", "headers": [("a", b"1"), ("a", b"2"), ("null", None), ("empty", b"")], "timestamp": STARTED},
        {"key": None, "value": b"no key"},
        {"key": b"tombstone", "value": None},
        {"key": None, "value": None},
        {"key": b"", "value": b""},
        {"key": b"\x00\xff", "value": b"\x00" * 100_000},
    ]
    produce(name, sent)
    got = read(name, len(sent))
    expect([(m.key(), m.value()) for m in got], [(s["key"], s["value"]) for s in sent], "keys and values")
    expect(got[0].headers(), sent[0]["headers"], "headers")
    expect(got[0].timestamp(), (TIMESTAMP_CREATE_TIME, STARTED), "timestamp")
    expect([m.offset() for m in got], list(range(len(sent))), "offsets")


for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    for idempotent in [False, True]:

        @scenario(f"{codec}{' idempotent' if idempotent else ''}")
        def compressed(codec=codec, idempotent=idempotent):
            name = topic(codec)
            values = [b"record %d " % i + b"x" * (i % 200) for i in range(2000)]
            produce(name, values, compression_type=codec, enable_idempotence=idempotent, linger_ms=20)
            expect([m.value() for m in read(name, len(values), check_crcs=True)], values, "values")


@scenario("acks none and one")
def acks():
    for level in ["0", "1"]:
        name = topic("acks")
        produce(name, [b"%d" % i for i in range(100)], acks=level)
        expect([m.value() for m in read(name, 100)], [b"%d" % i for i in range(100)], f"acks={level}")


@scenario("log append time")
def append_time():
    name = topic("append", config={"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000) - 1
    produce(name, [{"value": b"x", "timestamp": 1_000_000_000_000}])
    kind, at = read(name, 1)[0].timestamp()
    expect(kind, TIMESTAMP_LOG_APPEND_TIME, "kind of timestamp")
    expect(before <= at <= time.time() * 1000 + 1, True, f"{at} is now")


@scenario("seek and offsets for times")
def seek():
    name, start = topic("seek"), int(time.time()) * 1000 - 3_600_000
    produce(name, [{"value": b"%d" % i, "timestamp": start + i * 1000} for i in range(100)])
    with consumer(assign=[TopicPartition(name, 0, 0)]) as c:
        take(c, 10)
        c.seek(TopicPartition(name, 0, 90))
        expect([m.value() for m in take(c, 10)], [b"%d" % i for i in range(90, 100)], "after seek")
        expect(c.get_watermark_offsets(TopicPartition(name, 0), timeout=WAIT), (0, 100), "watermarks")
        asked = [TopicPartition(name, 0, start + 41_500)]
        expect([p.offset for p in c.offsets_for_times(asked, timeout=WAIT)], [42], "offset for a time")
        later = c.offsets_for_times([TopicPartition(name, 0, start + 10_000_000)], timeout=WAIT)
        expect([p.offset for p in later], [OFFSET_END], "offset for a time after all")


@scenario("from the end")
def from_the_end():
    name = topic("end")
    produce(name, [b"old"] * 5)
    with consumer(assign=[TopicPartition(name, 0, OFFSET_END)]) as c:
        nothing(c)
        produce(name, [b"new"])
        expect(take(c, 1)[0].value(), b"new", "the new one")


@scenario("an offset out of range starts over")
def out_of_range():
    name = topic("range")
    produce(name, [b"%d" % i for i in range(10)])
    done(admin().delete_records([TopicPartition(name, 0, 6)]))
    expect([m.offset() for m in read(name, 4, offset=2)], [6, 7, 8, 9], "after deletion")


@scenario("many partitions, keys stay together")
def keys():
    name = topic("keys", 12)
    produce(name, [{"key": b"%d" % (i % 50), "value": b"%d" % i} for i in range(5000)], partition=-1, partitioner="murmur2_random")
    with consumer(name) as c:
        got = take(c, 5000)
    home = {}
    for m in got:
        expect(home.setdefault(m.key(), m.partition()), m.partition(), f"the partition of {m.key()}")
    for key in home:
        order = [int(m.value()) for m in got if m.key() == key]
        expect(order, sorted(order), f"order of {key}")


@scenario("topics made by producing")
def auto_create():
    name = unique("auto")
    produce(name, [b"x"])
    expect(read(name, 1)[0].value(), b"x", "the record")


@scenario("too large is refused, the rest goes on")
def too_large():
    name = topic("large", config={"max.message.bytes": "10000"})
    producer, reports = Producer(settings(message_max_bytes=2_000_000)), Reports()
    producer.produce(name, b"x" * 50_000, on_delivery=reports)
    producer.flush(WAIT)
    producer.produce(name, b"small", on_delivery=reports)
    producer.flush(WAIT)
    expect(reports.failed, ["MSG_SIZE_TOO_LARGE"], "failures")
    expect(read(name, 1)[0].value(), b"small", "the other one")


@scenario("a topic that may not be made")
def no_topic():
    try:
        done(admin().create_topics([NewTopic("not a name!", 1, 1)]))
    except KafkaException as e:
        expect(e.args[0].name(), "TOPIC_EXCEPTION", "error")
        return
    raise AssertionError("it was made")


@scenario("retention takes old records")
def retention():
    name = topic("retention", config={"retention.ms": "1000"})
    old = int(time.time() * 1000) - 3_600_000
    produce(name, [{"value": b"old", "timestamp": old}] * 3)
    produce(name, [b"new"])
    with consumer(assign=[TopicPartition(name, 0, 0)]) as c:
        limit = time.monotonic() + WAIT
        while c.get_watermark_offsets(TopicPartition(name, 0), timeout=WAIT)[0] < 3:
            if time.monotonic() > limit:
                raise AssertionError("old records stay")
            time.sleep(0.1)
    config = done(admin().describe_configs([ConfigResource("topic", name)]))
    expect(next(iter(config.values()))["retention.ms"].value, "1000", "setting")
