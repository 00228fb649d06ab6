"""Scenarios of aio-pika against the broker at CLIENTS_AMQP."""

import asyncio
import os
import sys

import aio_pika
import harness
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, QueueEmpty
from aio_pika.patterns import RPC, Master
from harness import WAIT, expect, unique

harness.CLIENT = "aiopika"
URL = os.environ["CLIENTS_AMQP"] + "/"


def scenario(name):
    """Registers a coroutine function that gets an open connection."""
    def add(function):
        async def run():
            async with asyncio.timeout(4 * WAIT):
                async with await aio_pika.connect(URL) as connection:
                    await function(connection)
        harness.scenario(name)(lambda: asyncio.run(run()))
        return function
    return add


@scenario("iterator")
async def iterator(connection):
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=10)
    queue = await channel.declare_queue(unique("iterator"), durable=True)
    for n in range(50):
        await channel.default_exchange.publish(
            Message(b"%d" % n, headers={"n": n}, delivery_mode=DeliveryMode.PERSISTENT, message_id=str(n)), queue.name)
    got = []
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                got.append((message.body, message.headers["n"], message.message_id))
            if len(got) == 50:
                break
    expect(got, [(b"%d" % n, n, str(n)) for n in range(50)])
    await queue.delete()


@scenario("process-requeues")
async def process_requeues(connection):
    channel = await connection.channel()
    queue = await channel.declare_queue(exclusive=True)
    await channel.default_exchange.publish(Message(b"x"), queue.name)
    try:
        async with (await queue.get()).process(requeue=True):
            raise KeyError("the handler failed")
    except KeyError:
        pass
    again = await queue.get(timeout=WAIT)
    expect((again.body, again.redelivered), (b"x", True))
    await again.ack()
    try:
        await queue.get(timeout=1)
        raise AssertionError("the queue is not empty")
    except QueueEmpty:
        pass


@scenario("confirms-and-returns")
async def confirms_and_returns(connection):
    channel = await connection.channel(on_return_raises=True)
    exchange = await channel.declare_exchange(unique("nobody"), ExchangeType.DIRECT, auto_delete=False)
    try:
        await exchange.publish(Message(b"lost"), "nowhere")
        raise AssertionError("no return")
    except DeliveryError as e:
        expect((e.message.delivery.reply_code, e.message.body), (312, b"lost"))
    await exchange.delete()
    full = await channel.declare_queue(unique("full"), arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    await channel.default_exchange.publish(Message(b"1"), full.name)
    try:
        await channel.default_exchange.publish(Message(b"2"), full.name)
        raise AssertionError("no nack")
    except DeliveryError as e:
        expect(type(e.frame).__name__, "Nack")
    expect((await full.delete(if_unused=False, if_empty=False)).message_count, 1)


@scenario("routing")
async def routing(connection):
    channel = await connection.channel()
    entry = await channel.declare_exchange(unique("entry"), ExchangeType.TOPIC, auto_delete=True)
    headers = await channel.declare_exchange(unique("headers"), ExchangeType.HEADERS)
    await headers.bind(entry, "a.#")
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(headers, arguments={"x-match": "any", "size": 1, "colour": "red"})
    for key, given in (("a.b", {"size": 1}), ("a", {"size": 2}), ("a.c.d", {"colour": "red"}), ("b", {"size": 1})):
        await entry.publish(Message(key.encode(), headers=given), key, mandatory=False)
    expect([(await queue.get(timeout=WAIT, no_ack=True)).body for _ in range(2)], [b"a.b", b"a.c.d"])
    await headers.unbind(entry, "a.#")
    await headers.delete()


@scenario("errors")
async def errors(connection):
    for kind, code, action in (
            (ChannelNotFoundEntity, "404", lambda c: c.declare_queue(unique("missing"), passive=True)),
            (ChannelPreconditionFailed, "406", lambda c: c.declare_queue(unique("q"), arguments={"x-message-ttl": -1}))):
        channel = await connection.channel()
        try:
            await action(channel)
            raise AssertionError(f"no error {code}")
        except kind:
            pass
    channel = await connection.channel()
    await channel.declare_queue(exclusive=True)  # the connection is none the worse


@scenario("rpc-pattern")
async def rpc_pattern(connection):
    server = await RPC.create(await connection.channel())
    client = await RPC.create(await connection.channel())
    name = unique("rpc")

    async def multiply(*, a, b):
        return a * b

    async def fail():
        raise ValueError("as planned")

    await server.register(name, multiply, auto_delete=True)
    await server.register(name + ".fail", fail, auto_delete=True)
    answers = await asyncio.gather(*(client.call(name, kwargs={"a": n, "b": n}) for n in range(20)))
    expect(answers, [n * n for n in range(20)])
    try:
        await client.call(name + ".fail")
        raise AssertionError("the failure was not reported")
    except ValueError as e:
        expect(str(e), "as planned")


@scenario("master-pattern")
async def master_pattern(connection):
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=5)
    master, name, done = Master(channel), unique("master"), asyncio.Queue()

    async def work(*, n):
        await done.put(n)

    worker = await master.create_worker(name, work, auto_delete=True)
    for n in range(20):
        await master.create_task(name, kwargs={"n": n})
    expect(sorted([await done.get() for _ in range(20)]), list(range(20)))
    await worker.close()


@scenario("delayed-retry")
async def delayed_retry(connection):
    channel = await connection.channel()
    work, retry = unique("work"), unique("retry")
    queue = await channel.declare_queue(work, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": retry})
    waiting = await channel.declare_queue(retry, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 200})
    await channel.default_exchange.publish(Message(b"stubborn"), work)
    async with queue.iterator() as messages:
        attempts = 0
        async for message in messages:
            deaths = {d["queue"]: d["count"] for d in message.headers.get("x-death", [])}
            expect(deaths, {work: attempts, retry: attempts} if attempts else {})
            attempts += 1
            if attempts == 4:
                await message.ack()
                break
            await message.reject(requeue=False)
    await queue.delete()
    await waiting.delete()


@scenario("transaction")
async def transaction(connection):
    channel = await connection.channel(publisher_confirms=False)
    observer = await connection.channel()
    queue = await channel.declare_queue(unique("tx"))
    seen = await observer.get_queue(queue.name)
    async with channel.transaction():
        await channel.default_exchange.publish(Message(b"done"), queue.name)
        expect(await seen.get(fail=False, timeout=WAIT), None, "before the commit")
    try:
        async with channel.transaction():
            await channel.default_exchange.publish(Message(b"undone"), queue.name)
            raise KeyError("the transaction failed")
    except KeyError:
        pass
    expect((await seen.get(timeout=WAIT, no_ack=True)).body, b"done")
    expect(await seen.get(fail=False, timeout=WAIT), None, "after the rollback")
    await seen.delete()


@scenario("stream")
async def stream(connection):
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=100)
    queue = await channel.declare_queue(unique("stream"), durable=True, arguments={"x-queue-type": "stream"})
    for n in range(10):
        await channel.default_exchange.publish(Message(b"%d" % n), queue.name)
    for offset, first in (("first", 0), (4, 4), ("first", 0)):
        got = []
        async with queue.iterator(arguments={"x-stream-offset": offset}) as messages:
            async for message in messages:
                got.append(message.body)
                await message.ack()
                if message.body == b"9":
                    break
        expect(got, [b"%d" % n for n in range(first, 10)])
    await queue.delete(if_unused=False, if_empty=False)


@scenario("robust-recovery")
async def robust_recovery(_):
    name = unique("robust")
    connection = await aio_pika.connect_robust(URL, client_properties={"connection_name": name}, reconnect_interval=0.2)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(unique("robust"), ExchangeType.FANOUT, auto_delete=True)
        queue = await channel.declare_queue(unique("robust"), auto_delete=True)
        await queue.bind(exchange)
        got = asyncio.Queue()

        async def handle(message):
            await got.put(message.body)
            await message.ack()

        await queue.consume(handle)
        back = asyncio.Event()
        connection.reconnect_callbacks.add(lambda *_: back.set())
        for n in range(3):
            await exchange.publish(Message(b"%d" % n), "")
            expect(await got.get(), b"%d" % n)
            back.clear()
            await asyncio.to_thread(harness.kill_connection, name)
            await back.wait()


sys.exit(harness.run_all())
