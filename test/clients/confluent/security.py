"""Who a client is, and what it may do."""

import os

import harness
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType, ScramCredentialInfo,
                                   ScramMechanism, UserScramCredentialUpsertion)

from harness import WAIT, Broker, expect, http, scenario, unique
from kafka import Reports, admin, done, produce, read, settings, topic

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def login(user, password, mechanism, protocol="SASL_PLAINTEXT", **more):
    return {"security_protocol": protocol, "sasl_mechanism": mechanism, "sasl_username": user, "sasl_password": password, **more}


def tls():
    return {"bootstrap_servers": os.environ["CLIENTS_KAFKAS"], "ssl_ca_location": os.environ["CLIENTS_CA"]}


for mechanism in MECHANISMS:

    @scenario(mechanism)
    def known(mechanism=mechanism):
        name = topic("sasl")
        produce(name, [b"x"], **login("guest", "guest", mechanism))
        expect(read(name, 1, **login("guest", "guest", mechanism))[0].value(), b"x", "the record")

    @scenario(f"{mechanism} with a wrong password")
    def unknown(mechanism=mechanism):
        errors = []
        p = Producer(settings(error_cb=lambda e: errors.append(e.code()), **login("guest", "wrong", mechanism)))
        try:
            p.list_topics(timeout=3)
            raise AssertionError("welcome")
        except KafkaException:
            p.poll(1)
        expect(KafkaError._AUTHENTICATION in errors, True, f"errors {errors}")


@scenario("TLS")
def encrypted():
    name = topic("tls")
    produce(name, [b"x" * 10_000] * 100, security_protocol="SSL", **tls())
    expect(len(read(name, 100, security_protocol="SSL", **tls())), 100, "records")


@scenario("SASL through TLS")
def both():
    name = topic("both")
    produce(name, [b"x"], **login("guest", "guest", "SCRAM-SHA-512", "SASL_SSL", **tls()))
    expect(len(read(name, 1, **login("guest", "guest", "PLAIN", "SASL_SSL", **tls()))), 1, "records")


@scenario("a certificate is a user")
def certificate():
    temp = os.environ["CLIENTS_TEMP"]
    files = {"certificate": temp + "/cert.pem", "key": temp + "/key.pem", "client_ca": temp + "/cert.pem"}
    first = harness.free_port()
    port = harness.free_port(first, harness.free_port(first))
    arguments = ["--listen", f"kafkas=127.0.0.1:{port}"] + [a for k, v in files.items() for a in ("--set", f"tls.{k}={v}")]
    with Broker("on", *arguments) as broker:
        plain = {"bootstrap_servers": broker.kafka}
        name = topic("mutual", **plain)
        done(admin(**plain).alter_user_scram_credentials([
            UserScramCredentialUpsertion("carol", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"secret")]))
        allow(admin(**plain), "carol", name, AclOperation.WRITE)
        with_certificate = {"bootstrap_servers": f"localhost:{port}", "security_protocol": "SSL", "ssl_ca_location": temp + "/cert.pem"}
        own = {"ssl_certificate_location": temp + "/client.pem", "ssl_key_location": temp + "/client.key"}
        produce(name, [b"carol was here"], **with_certificate, **own)
        expect(read(name, 1, **plain)[0].value(), b"carol was here", "the record")
        try:
            Producer(settings(**with_certificate)).list_topics(timeout=3)
            raise AssertionError("no certificate was needed")
        except KafkaException:
            pass


def allow(a, user, name, *operations):
    done(a.create_acls([AclBinding(ResourceType.TOPIC, name, ResourcePatternType.LITERAL, f"User:{user}", "*", o, AclPermissionType.ALLOW)
                        for o in operations]))


@scenario("rights are those of the lists")
def rights():
    a, user = admin(), unique("user")
    done(a.alter_user_scram_credentials([
        UserScramCredentialUpsertion(user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"secret")]))
    mine, other = topic("mine"), topic("other")
    allow(a, user, mine, AclOperation.WRITE)
    as_user = login(user, "secret", "SCRAM-SHA-256")
    produce(mine, [b"x"], **as_user)
    producer, reports = Producer(settings(**as_user)), Reports()
    producer.produce(other, b"x", partition=0, on_delivery=reports)
    producer.flush(WAIT)
    expect(reports.failed, ["TOPIC_AUTHORIZATION_FAILED"], "another topic")
    expect(set(Producer(settings(**as_user)).list_topics(timeout=WAIT).topics), {mine}, "topics seen")


@scenario("one user, both dialects")
def both_dialects():
    user = unique("user")
    http("PUT", f"/api/users/{user}", {"password": "secret", "tags": ""})
    http("PUT", f"/api/permissions/%2F/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    name = topic("dialects")
    for mechanism in MECHANISMS:
        produce(name, [b"x"], **login(user, "secret", mechanism))
    expect(len(read(name, 3)), 3, "records")
