"""Groups of both protocols: sharing, rebalancing, positions."""

import threading
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import OffsetSpec

from harness import WAIT, expect, scenario, unique
from kafka import admin, consumer, done, nothing, produce, settings, take, topic, until


class Member(threading.Thread):
    """A consumer on a thread of its own, which commits what it has seen."""

    def __init__(self, name, group, **more):
        super().__init__(daemon=True)
        self.consumer = Consumer(settings(group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, **more))
        self.consumer.subscribe([name])
        self.seen, self.ending, self.failure = [], threading.Event(), None
        self.owned = set()
        self.start()

    def run(self):
        try:
            while not self.ending.is_set():
                for m in self.consumer.consume(500, timeout=0.1):
                    if m.error():
                        raise AssertionError(m.error())
                    self.seen.append((m.partition(), m.offset()))
                self.owned = {p.partition for p in self.consumer.assignment()}
            self.consumer.commit(asynchronous=False) if self.seen else None
        except Exception as e:  # pylint: disable=broad-except
            if "_NO_OFFSET" not in str(e):
                self.failure = e
        self.consumer.close()

    def stop(self):
        self.ending.set()
        self.join(WAIT)
        if self.failure:
            raise self.failure


def shares(**more):
    """Three members share six partitions; one leaves; all records are seen, none twice by one member."""
    name, group = topic("shares", 6), unique("group")
    for p in range(6):
        produce(name, [b"%d" % i for i in range(200)], partition=p)
    members = [Member(name, group, **more) for _ in range(3)]
    until(lambda: sorted(len(m.owned) for m in members) == [2, 2, 2], "two partitions each")
    until(lambda: len({s for m in members for s in m.seen}) == 1200, "all records")
    gone = members.pop()
    gone.stop()
    until(lambda: sorted(len(m.owned) for m in members) == [3, 3], "three partitions each")
    for p in range(6):
        produce(name, [b"more"] * 10, partition=p)
    until(lambda: len({s for m in members + [gone] for s in m.seen}) == 1260, "all later records")
    for m in members:
        m.stop()
    committed = next(iter(done(admin().list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()))
    expect(sum(p.offset for p in committed.topic_partitions), 1260, "positions")


for strategy in ["range", "roundrobin", "cooperative-sticky"]:

    @scenario(f"group {strategy}")
    def classic(strategy=strategy):
        shares(partition_assignment_strategy=strategy, session_timeout_ms=10000, heartbeat_interval_ms=200)


for assignor in ["uniform", "range"]:

    @scenario(f"group of the newer protocol, {assignor}")
    def modern(assignor=assignor):
        shares(group_protocol="consumer", group_remote_assignor=assignor)


@scenario("a regular expression sees topics that come")
def expression():
    prefix, group = unique("regex"), unique("group")
    first, second = prefix + ".one", prefix + ".two"
    produce(first, [b"1"])
    with consumer(f"^{prefix}.*", group=group, topic_metadata_refresh_interval_ms=500, metadata_max_age_ms=1000) as c:
        expect(take(c, 1)[0].topic(), first, "first topic")
        c.commit(asynchronous=False)
        produce(second, [b"2"])
        expect(take(c, 1)[0].topic(), second, "second topic")


@scenario("a static member comes back to its partitions")
def static():
    name, group = topic("static", 4), unique("group")
    kept = {"group_instance_id": "one", "session_timeout_ms": 30000}
    with consumer(name, group=group, **kept) as c:
        until(lambda: c.poll(0.1) or len(c.assignment()) == 4, "an assignment")
        generation = c.memberid()
    with consumer(name, group=group, **kept) as c:
        until(lambda: c.poll(0.1) or len(c.assignment()) == 4, "an assignment again")
        expect(c.memberid() != generation, True, "another member id")


@scenario("positions are kept and go on")
def positions():
    name, group = topic("positions"), unique("group")
    produce(name, [b"%d" % i for i in range(20)])
    with consumer(name, group=group) as c:
        take(c, 8)
        c.commit(offsets=[TopicPartition(name, 0, 8, "some metadata")], asynchronous=False)
    with consumer(name, group=group) as c:
        expect([m.value() for m in take(c, 12)], [b"%d" % i for i in range(8, 20)], "the rest")
        got = c.committed([TopicPartition(name, 0)], timeout=WAIT)[0]
        expect((got.offset, got.metadata), (8, "some metadata"), "committed")


@scenario("positions are reset and groups deleted")
def administered():
    name, group = topic("reset", 2), unique("group")
    produce(name, [b"%d" % i for i in range(10)])
    with consumer(name, group=group) as c:
        take(c, 10)
        c.commit(asynchronous=False)
    a = admin()
    asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 3)])]
    done(a.alter_consumer_group_offsets(asked))
    with consumer(name, group=group) as c:
        expect([m.value() for m in take(c, 7)], [b"%d" % i for i in range(3, 10)], "from the new position")
    listed = a.list_consumer_groups().result(WAIT)
    expect(group in {g.group_id for g in listed.valid}, True, "listed")
    described = done(a.describe_consumer_groups([group]))[group]
    expect((described.state.name, len(described.members)), ("EMPTY", 0), "described")
    done(a.delete_consumer_groups([group]))
    expect(group in {g.group_id for g in a.list_consumer_groups().result(WAIT).valid}, False, "listed after deletion")


@scenario("a slow member is thrown out, the group goes on")
def slow():
    name, group = topic("slow", 2), unique("group")
    with consumer(name, group=group, max_poll_interval_ms=6000, session_timeout_ms=6000) as sleeper:
        until(lambda: sleeper.poll(0.1) or len(sleeper.assignment()) == 2, "an assignment")
        other = Member(name, group)
        until(lambda: sleeper.poll(0.05) or len(other.owned) == 1, "one each")
        time.sleep(7)
        until(lambda: len(other.owned) == 2, "both partitions")
        produce(name, [b"x"], partition=0)
        produce(name, [b"x"], partition=1)
        until(lambda: len(other.seen) == 2, "both records")
        other.stop()


@scenario("latest positions by the administrator")
def offsets():
    name, start = topic("latest"), int(time.time() * 1000) - 60_000
    produce(name, [{"value": b"a", "timestamp": start}, {"value": b"b", "timestamp": start + 1000}])
    partition = TopicPartition(name, 0)
    specs = [("earliest", OffsetSpec.earliest(), 0), ("latest", OffsetSpec.latest(), 2),
             ("time", OffsetSpec.for_timestamp(start + 500), 1), ("greatest", OffsetSpec.max_timestamp(), 1)]
    for what, spec, wanted in specs:
        expect(next(iter(done(admin().list_offsets({partition: spec})).values())).offset, wanted, what)


@scenario("auto commit")
def auto_commit():
    name, group = topic("auto"), unique("group")
    produce(name, [b"1", b"2"])
    with consumer(name, group=group, enable_auto_commit=True, auto_commit_interval_ms=200) as c:
        take(c, 2)
    with consumer(name, group=group) as c:
        nothing(c, 2)
