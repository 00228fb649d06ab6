"""What an administrator does: topics, configurations, rights, credentials, records."""

from confluent_kafka import ElectionType, IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic, OffsetSpec, ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialDeletion, UserScramCredentialUpsertion)

from harness import WAIT, expect, scenario, unique
from kafka import admin, done, produce, topic


def fails(futures, *names):
    for future in futures.values():
        try:
            future.result(WAIT)
        except KafkaException as e:
            expect(e.args[0].name() in names, True, e.args[0].name())
            continue
        raise AssertionError("no error")


@scenario("topics")
def topics():
    a, name = admin(), unique("topics")
    done(a.create_topics([NewTopic(name, 1, 1)], validate_only=True))
    expect(name in a.list_topics(timeout=WAIT).topics, False, "made by validation")
    done(a.create_topics([NewTopic(name, 3, 1, config={"cleanup.policy": "compact"})]))
    fails(a.create_topics([NewTopic(name, 3, 1)]), "TOPIC_ALREADY_EXISTS")
    fails(a.create_topics([NewTopic(unique("t"), 3, 2)]), "INVALID_REPLICATION_FACTOR")
    fails(a.create_topics([NewTopic(unique("t"), 1, 1, config={"retention.ms": "soon"})]), "INVALID_CONFIG")
    done(a.create_partitions([NewPartitions(name, 5)]))
    fails(a.create_partitions([NewPartitions(name, 2)]), "INVALID_PARTITIONS")
    listed = a.list_topics(timeout=WAIT).topics[name]
    expect([(p.leader, p.replicas, p.isrs) for p in listed.partitions.values()], [(1, [1], [1])] * 5, "partitions")
    described = done(a.describe_topics(TopicCollection([name])))[name]
    expect((described.name, len(described.partitions), str(described.topic_id) != ""), (name, 5, True), "described")
    done(a.delete_topics([name]))
    expect(name in a.list_topics(timeout=WAIT).topics, False, "after deletion")
    fails(a.delete_topics([name]), "UNKNOWN_TOPIC_OR_PART")


@scenario("configurations")
def configurations():
    a, name = admin(), topic("configs", config={"retention.ms": "60000"})
    resource = ConfigResource("topic", name)

    def value(key):
        entry = next(iter(done(a.describe_configs([resource])).values()))[key]
        return entry.value, entry.is_default

    expect(value("retention.ms"), ("60000", False), "as made")
    change = ConfigResource("topic", name, incremental_configs=[
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ConfigEntry("max.message.bytes", "12345", incremental_operation=AlterConfigOpType.SET)])
    done(a.incremental_alter_configs([change]))
    expect(value("retention.ms"), ("604800000", True), "the default again")
    expect(value("cleanup.policy")[0], "delete,compact", "appended")
    expect(value("max.message.bytes"), ("12345", False), "set")
    wrong = ConfigResource("topic", name, incremental_configs=[ConfigEntry("no.such", "1", incremental_operation=AlterConfigOpType.SET)])
    fails(a.incremental_alter_configs([wrong]), "INVALID_CONFIG")
    broker = next(iter(done(a.describe_configs([ConfigResource("broker", "1")])).values()))
    expect("auto.create.topics.enable" in broker, True, "the broker's")


@scenario("the cluster")
def cluster():
    a = admin()
    described = a.describe_cluster(include_authorized_operations=True).result(WAIT)
    expect([n.id for n in described.nodes], [1], "nodes")
    expect(described.controller.id, 1, "controller")
    expect(bool(described.cluster_id) and bool(described.authorized_operations), True, "id and rights")
    name = topic("elect")
    try:
        a.elect_leaders(ElectionType.PREFERRED, [TopicPartition(name, 0)]).result(WAIT)
    except KafkaException as e:
        expect(e.args[0].name(), "ELECTION_NOT_NEEDED", "election")


@scenario("records are deleted")
def records():
    name = topic("delete")
    produce(name, [b"x"] * 10)
    expect(next(iter(done(admin().delete_records([TopicPartition(name, 0, 4)])).values())).low_watermark, 4, "low watermark")
    fails(admin().delete_records([TopicPartition(name, 0, 40)]), "OFFSET_OUT_OF_RANGE")
    earliest = done(admin().list_offsets({TopicPartition(name, 0): OffsetSpec.earliest()}, isolation_level=IsolationLevel.READ_COMMITTED))
    expect(next(iter(earliest.values())).offset, 4, "earliest")


@scenario("access control lists")
def acls():
    a, user, name = admin(), unique("user"), unique("topic")
    made = [AclBinding(ResourceType.TOPIC, name, ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation.READ, AclPermissionType.ALLOW),
            AclBinding(ResourceType.TOPIC, name + ".", ResourcePatternType.PREFIXED, f"User:{user}", "*", AclOperation.WRITE, AclPermissionType.DENY),
            AclBinding(ResourceType.GROUP, "*", ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation.ALL, AclPermissionType.ALLOW)]
    done(a.create_acls(made))
    of_user = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None, AclOperation.ANY, AclPermissionType.ANY)
    expect(sorted(map(str, a.describe_acls(of_user).result(WAIT))), sorted(map(str, made)), "described")
    matching = AclBindingFilter(ResourceType.TOPIC, name + ".x", ResourcePatternType.MATCH, None, None, AclOperation.ANY, AclPermissionType.ANY)
    expect(len(a.describe_acls(matching).result(WAIT)), 1, "matching a name")
    expect(len(next(iter(done(a.delete_acls([of_user])).values()))), 3, "deleted")
    expect(a.describe_acls(of_user).result(WAIT), [], "left")


@scenario("credentials")
def credentials():
    a, user = admin(), unique("user")
    done(a.alter_user_scram_credentials([
        UserScramCredentialUpsertion(user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"secret")]))
    described = done(a.describe_user_scram_credentials([user]))[user]
    expect([(c.mechanism, c.iterations) for c in described.scram_credential_infos], [(ScramMechanism.SCRAM_SHA_256, 4096)], "described")
    done(a.alter_user_scram_credentials([UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256)]))
    fails(a.describe_user_scram_credentials([user]), "RESOURCE_NOT_FOUND")
