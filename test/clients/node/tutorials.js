'use strict';
// The seven RabbitMQ tutorials.

const { assert, bodies, connected, scenario, take, unique, WAIT, within } = require('./harness');

scenario('hello', () => connected(async (channel) => {
  const queue = unique('hello');
  await channel.assertQueue(queue, { durable: false });
  channel.sendToQueue(queue, Buffer.from('Hello World!'));
  assert.deepEqual(await bodies(channel, queue, 1), ['Hello World!']);
  await channel.deleteQueue(queue);
}));

/** A worker: takes and settles on demand. */
async function worker(channel, queue) {
  const waiting = [];
  const ready = [];
  await channel.prefetch(1);
  await channel.consume(queue, (m) => (waiting.length ? waiting.shift()(m) : ready.push(m)));
  return {
    next: () => within(ready.length ? Promise.resolve(ready.shift()) : new Promise((r) => waiting.push(r)), WAIT, 'a task'),
    ack: (m) => channel.ack(m),
  };
}

scenario('work-queues', () => connected((publisher) => connected((one) => connected(async (two) => {
  const queue = unique('work');
  await publisher.assertQueue(queue, { durable: true });
  for (let n = 0; n < 4; n++) publisher.sendToQueue(queue, Buffer.from(String(n)), { persistent: true });
  await publisher.checkQueue(queue);
  // With a prefetch of one, neither worker gets a second message before it has acknowledged its first.
  const first = await worker(one, queue);
  const second = await worker(two, queue);
  const a = await first.next();
  const b = await second.next();
  assert.deepEqual([a, b].map((m) => m.content.toString()).sort(), ['0', '1']);
  assert.equal((await publisher.checkQueue(queue)).messageCount, 2);
  first.ack(a);
  const c = await first.next();
  assert.equal(c.content.toString(), '2');
  second.ack(b);
  const d = await second.next();
  assert.equal(d.content.toString(), '3');
  first.ack(c);
  second.ack(d);
  await publisher.deleteQueue(queue);
}))));

scenario('publish-subscribe', () => connected(async (channel) => {
  const exchange = unique('logs');
  await channel.assertExchange(exchange, 'fanout', { durable: false });
  const queues = [];
  for (let n = 0; n < 3; n++) {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, exchange, '');
    queues.push(queue);
  }
  channel.publish(exchange, 'ignored', Buffer.from('to all'));
  for (const queue of queues) assert.deepEqual(await bodies(channel, queue, 1), ['to all']);
  await channel.deleteExchange(exchange);
}));

scenario('routing', () => connected(async (channel) => {
  const exchange = unique('direct');
  await channel.assertExchange(exchange, 'direct', { durable: false });
  const errors = (await channel.assertQueue('', { exclusive: true })).queue;
  const every = (await channel.assertQueue('', { exclusive: true })).queue;
  await channel.bindQueue(errors, exchange, 'error');
  for (const severity of ['info', 'warning', 'error']) await channel.bindQueue(every, exchange, severity);
  for (const severity of ['info', 'warning', 'error', 'debug']) channel.publish(exchange, severity, Buffer.from(severity));
  assert.deepEqual(await bodies(channel, every, 3), ['info', 'warning', 'error']);
  assert.deepEqual(await bodies(channel, errors, 1), ['error']);
  await channel.unbindQueue(every, exchange, 'info');
  channel.publish(exchange, 'info', Buffer.from('x'));
  assert.equal((await channel.checkQueue(every)).messageCount, 0, 'after unbind');
  await channel.deleteExchange(exchange);
}));

scenario('topics', () => connected(async (channel) => {
  const exchange = unique('topic');
  await channel.assertExchange(exchange, 'topic', { durable: false });
  const keys = ['quick.orange.rabbit', 'lazy.orange.elephant', 'lazy', 'lazy.a.b.c.d', 'orange', ''];
  const wanted = {
    '*.orange.*': keys.slice(0, 2), '*.*.rabbit': keys.slice(0, 1), 'lazy.#': keys.slice(1, 4), '#': keys,
  };
  const queues = {};
  for (const pattern of Object.keys(wanted)) {
    queues[pattern] = (await channel.assertQueue('', { exclusive: true })).queue;
    await channel.bindQueue(queues[pattern], exchange, pattern);
  }
  for (const key of keys) channel.publish(exchange, key, Buffer.from(key));
  for (const [pattern, some] of Object.entries(wanted)) {
    assert.deepEqual(await bodies(channel, queues[pattern], some.length), some, pattern);
    assert.equal((await channel.checkQueue(queues[pattern])).messageCount, 0, pattern);
  }
  await channel.deleteExchange(exchange);
}));

const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));

async function rpc(replyQueue) {
  await connected((server) => connected(async (client) => {
    const queue = unique('rpc');
    await server.assertQueue(queue, { durable: false });
    await server.prefetch(1);
    await server.consume(queue, (m) => {
      if (m === null) return;
      server.sendToQueue(m.properties.replyTo, Buffer.from(String(fib(Number(m.content)))),
        { correlationId: m.properties.correlationId });
      server.ack(m);
    });
    const replyTo = await replyQueue(client);
    const pending = new Map();
    await client.consume(replyTo, (m) => pending.get(m.properties.correlationId)(m.content.toString()), { noAck: true });
    const answers = [1, 5, 10, 12, 15].map((n) => within(new Promise((resolve) => {
      pending.set(`id-${n}`, resolve);
      client.sendToQueue(queue, Buffer.from(String(n)), { replyTo, correlationId: `id-${n}` });
    }), WAIT, `the answer for ${n}`));
    assert.deepEqual(await Promise.all(answers), ['1', '5', '55', '144', '610']);
    await client.deleteQueue(queue);
  }));
}

scenario('rpc-exclusive-queue', () => rpc(async (c) => (await c.assertQueue('', { exclusive: true })).queue));
scenario('rpc-direct-reply-to', () => rpc(async () => 'amq.rabbitmq.reply-to'));

const numbers = (count) => Array.from({ length: count }, (_, n) => String(n));

async function confirms(count, publish) {
  await connected(async (channel) => {
    const queue = unique('confirm');
    await channel.assertQueue(queue, { durable: true });
    await publish(channel, queue);
    const got = await take(channel, queue, count);
    assert.deepEqual(got.map((m) => m.content.toString()), numbers(count));
    await channel.deleteQueue(queue);
  }, { confirms: true });
}

scenario('confirms-individual', () => confirms(100, async (channel, queue) => {
  for (const n of numbers(100)) {
    channel.sendToQueue(queue, Buffer.from(n), { persistent: true });
    await channel.waitForConfirms();
  }
}));

scenario('confirms-batch', () => confirms(2000, async (channel, queue) => {
  for (const n of numbers(2000)) {
    channel.sendToQueue(queue, Buffer.from(n), { persistent: true });
    if (Number(n) % 100 === 99) await channel.waitForConfirms();
  }
}));

scenario('confirms-async', () => confirms(5000, (channel, queue) => Promise.all(numbers(5000).map((n) => new Promise(
  (resolve, reject) => channel.sendToQueue(queue, Buffer.from(n), { persistent: true }, (e) => (e ? reject(e) : resolve())),
)))));
