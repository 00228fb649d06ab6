'use strict';
// Connections over time: heartbeats, idleness, TLS, restarts and crashes of the broker.

const crypto = require('node:crypto');
const fs = require('node:fs');
const { Broker, amqp, assert, bodies, connect, connected, open, scenario, unique, WAIT, within } = require('./harness');
const { anonymous } = require('./queues');

const HEARTBEAT = 1; // seconds
const IDLE = 20; // seconds

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });

async function stillWorks(channel) {
  const queue = await anonymous(channel);
  channel.sendToQueue(queue, Buffer.from('awake'));
  assert.deepEqual(await bodies(channel, queue, 1), ['awake']);
}

// In the background of the other scenarios.
const idle = connected(async (channel) => {
  await pause(IDLE);
  await stillWorks(channel);
}).then(() => null, (e) => e);

scenario('heartbeat', () => connected(async (channel) => {
  await pause(4 * HEARTBEAT); // either side would have given up on a silent peer by then
  await stillWorks(channel);
}, { query: `?heartbeat=${HEARTBEAT}` }));

scenario('tls', () => connected(async (channel) => {
  const queue = await anonymous(channel);
  const body = crypto.randomBytes(1 << 19).toString('hex');
  channel.sendToQueue(queue, Buffer.from(body));
  assert.ok((await bodies(channel, queue, 1))[0] === body);
}, {
  url: process.env.CLIENTS_AMQPS.replace('127.0.0.1', 'localhost') + '/%2F',
  socketOptions: { ca: [fs.readFileSync(process.env.CLIENTS_CA)] },
}));

scenario('recovery', () => Broker.run(async (broker) => {
  const queue = unique('kept');
  const connection = await connect('', broker.url);
  const channel = await open(connection, true);
  await channel.assertQueue(queue, { durable: true });
  await channel.assertQueue('transient', { durable: false });
  for (let n = 0; n < 100; n++) channel.sendToQueue(queue, Buffer.from(String(n)), { persistent: true });
  await channel.waitForConfirms();
  await broker.terminate();
  const why = await within(connection.closed, WAIT, 'the close');
  assert.match(String(why), /320|CONNECTION.FORCED/);
  await broker.start();
  await connected(async (again, other) => {
    assert.equal((await again.checkQueue(queue)).messageCount, 100);
    assert.deepEqual(await bodies(again, queue, 100), Array.from({ length: 100 }, (_, n) => String(n)));
    const failed = await open(other);
    await assert.rejects(failed.checkQueue('transient'), /404/);
  }, { url: broker.url });
}));

scenario('recovery-automatic', () => Broker.run(async (broker) => {
  const queue = unique('recovered');
  const got = [];
  let wake = () => {};
  const connection = await amqp.connect(broker.url, { recovery: { initialDelay: 20, maxDelay: 100,
    setup: async (c) => {
      const channel = await c.createChannel();
      await channel.assertQueue(queue, { durable: true });
      await channel.consume(queue, (m) => {
        if (m === null) return;
        got.push(m.content.toString());
        channel.ack(m);
        wake();
      });
    } } });
  connection.on('error', () => {});
  const publish = (text) => connected(async (channel) => {
    const arrived = new Promise((resolve) => { wake = resolve; });
    channel.sendToQueue(queue, Buffer.from(text), { persistent: true });
    await channel.waitForConfirms();
    await within(arrived, WAIT, text);
  }, { url: broker.url, confirms: true });
  await publish('before');
  await broker.kill();
  await broker.start();
  await publish('after');
  await connection.close();
  assert.deepEqual([got[0], got.at(-1)], ['before', 'after']);
}));

// The client writes per channel in turn, so acks of channel 1 may follow connection.close of channel 0; the broker's
// close-ok must come through all the same.
scenario('close-overtakes-acks', () => connected(async (publisher) => {
  const count = 3000;
  const queue = unique('closing');
  await publisher.assertQueue(queue, { durable: false });
  for (let round = 0; round < 20; round++) {
    for (let n = 1; n <= count; n++) publisher.sendToQueue(queue, Buffer.from(String(n)));
    await publisher.waitForConfirms();
    const connection = await connect();
    const channel = await open(connection);
    await channel.prefetch(200);
    let got = 0;
    const all = new Promise((resolve) => {
      channel.consume(queue, (m) => {
        if (++got % 10 === 0) channel.ack(m, true);
        if (m.content.toString() === String(count)) resolve();
      });
    });
    await within(all, WAIT, 'the messages');
    await within(connection.close(), WAIT / 4, `connection.close in round ${round}`);
    await publisher.purgeQueue(queue);
  }
  await publisher.deleteQueue(queue);
}, { confirms: true }));

/** Publishes numbered messages, at most 1000 unconfirmed, until the connection goes. */
async function stream(url, queue, mark, reached) {
  const connection = await connect('', url);
  const channel = await open(connection, true);
  const state = { sent: 0, confirmed: new Set(), connection };
  let flying = 0;
  let dead = false;
  const fill = () => {
    while (!dead && flying < 1000) {
      const n = ++state.sent;
      flying++;
      channel.sendToQueue(queue, Buffer.from(String(n)), { persistent: true }, (e) => {
        flying--;
        if (e) return;
        state.confirmed.add(n);
        if (state.confirmed.size === mark) reached();
        fill();
      });
    }
  };
  for (const event of ['close', 'error']) channel.on(event, () => { dead = true; });
  connection.on('close', () => { dead = true; });
  fill();
  return state;
}

/** Consumes and acknowledges in groups until "end" comes or the connection goes. */
async function drain(url, queue) {
  const connection = await connect('', url);
  const channel = await open(connection);
  const got = [];
  await channel.prefetch(200);
  const ended = new Promise((resolve) => {
    channel.consume(queue, (m) => {
      if (m === null) return;
      const text = m.content.toString();
      got.push([text, m.fields.redelivered]);
      if (got.length % 10 === 0 || text === 'end') channel.ack(m, true);
      if (text === 'end') resolve();
    }).catch(() => {});
  });
  return { got, connection, done: Promise.race([ended, connection.closed]) };
}

/** Every confirmed message came, in order, at most again and then marked so, and none that was not sent. */
function check(confirmed, sent, parts) {
  const seen = new Set();
  for (const part of parts) {
    let last = 0;
    for (const [text, redelivered] of part) {
      if (text === 'end') continue;
      const n = Number(text);
      assert.ok(n >= 1 && n <= sent, `message ${text} was never sent`);
      if (seen.has(n)) {
        assert.ok(redelivered, `message ${n} came twice, the second time not marked as redelivered`);
      } else {
        assert.ok(n > last, `message ${n} came after ${last}`);
        last = n;
      }
      seen.add(n);
    }
  }
  const missing = [...confirmed].filter((n) => !seen.has(n));
  assert.equal(missing.length, 0, `${missing.length} of ${confirmed.size} confirmed messages are lost, first ${missing[0]}`);
}

async function crash(consuming) {
  await Broker.run(async (broker) => {
    const queue = unique('crash');
    await connected((channel) => channel.assertQueue(queue, { durable: true }), { url: broker.url });
    const before = consuming ? await drain(broker.url, queue) : null;
    let publisher;
    const reached = new Promise((resolve, reject) => {
      stream(broker.url, queue, 3000, resolve).then((s) => { publisher = s; }, reject);
    });
    await within(reached, WAIT, '3000 confirms');
    await broker.kill();
    await within(publisher.connection.closed, WAIT, 'the close of the publisher');
    if (before) await within(before.done, WAIT, 'the close of the consumer');
    await broker.start();
    await connected(async (channel) => {
      channel.sendToQueue(queue, Buffer.from('end'), { persistent: true });
      await channel.waitForConfirms();
    }, { url: broker.url, confirms: true });
    const rest = await drain(broker.url, queue);
    await within(rest.done, WAIT, 'the rest');
    await within(rest.connection.close(), WAIT, 'connection.close');
    check(publisher.confirmed, publisher.sent, [before ? before.got : [], rest.got]);
  });
}

scenario('crash-backlog', () => crash(false));
scenario('crash-consuming', () => crash(true));

scenario('idle-20s', async () => assert.equal(await within(idle, (IDLE * 1000) + WAIT, 'the idle connection'), null));
