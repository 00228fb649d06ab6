'use strict';
// Extensions: dead letters, delays, who consumes first, streams, routing beyond one exchange, policies; and what amqplib's own
// tests ask of a broker that the other scenarios do not.

const { amqp, assert, bodies, connect, connected, open, scenario, take, unique, within, WAIT } = require('./harness');

const to = (queue, more = {}) => ({ durable: true, arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue, ...more } });
const declare = async (channel, what, options = { durable: true }) => (await channel.assertQueue(unique(what), options)).queue;
const deaths = (m) => (m.properties.headers['x-death'] || []).map((d) => `${d.queue} ${d.reason} ${d.count}`);
const send = (channel, queue, body, options) => channel.sendToQueue(queue, Buffer.from(body), options);

/** Calls the management API and returns what it answers. */
async function http(method, path, body) {
  const answer = await fetch(process.env.CLIENTS_HTTP + path, {
    method, body: body && JSON.stringify(body),
    headers: { authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}`, 'content-type': 'application/json' },
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** Asks until the answer is true. */
async function eventually(what, ask) {
  const until = performance.now() + WAIT;
  while (!await ask()) assert.ok(performance.now() < until, `in vain: ${what}`);
}

scenario('dead-letter-reasons', () => connected(async (channel) => {
  const dead = await declare(channel, 'dead');
  const quorum = { 'x-queue-type': 'quorum' };
  for (const [reason, more] of [['rejected', {}], ['expired', { 'x-message-ttl': 50 }], ['maxlen', { 'x-max-length': 0 }],
    ['delivery_limit', { ...quorum, 'x-delivery-limit': 0 }], ['rejected', quorum]]) {
    const queue = await declare(channel, reason, to(dead, more));
    send(channel, queue, reason);
    if (reason === 'rejected' || reason === 'delivery_limit') {
      const [m] = await take(channel, queue, 1, {});
      channel.reject(m, reason === 'delivery_limit');
    }
    const [m] = await take(channel, dead, 1);
    assert.deepEqual(deaths(m), [`${queue} ${reason} 1`]);
    assert.equal(m.properties.headers['x-last-death-reason'] || reason, reason);
    await channel.deleteQueue(queue);
  }
  await channel.deleteQueue(dead);
}));

scenario('dead-letter-cycle', () => connected(async (channel) => {
  const [one, two] = [unique('cycle'), unique('cycle')];
  await channel.assertQueue(one, to(two, { 'x-message-ttl': 50 }));
  await channel.assertQueue(two, to(one, { 'x-message-ttl': 50 }));
  send(channel, one, 'round');
  await eventually('the end of the cycle', async () =>
    (await channel.checkQueue(one)).messageCount + (await channel.checkQueue(two)).messageCount === 0);
  await channel.deleteQueue(one);
  await channel.deleteQueue(two);
}));

scenario('ttl-zero', () => connected(async (channel) => {
  const queue = await declare(channel, 'zero', { durable: true, messageTtl: 0 });
  send(channel, queue, 'nobody');
  await eventually('the expiry', async () => (await channel.checkQueue(queue)).messageCount === 0);
  const got = [];
  let arrived;
  const first = new Promise((resolve) => { arrived = resolve; });
  await channel.consume(queue, (m) => { got.push(m.content.toString()); arrived(); }, { noAck: true });
  send(channel, queue, 'somebody');
  await within(first, WAIT, 'the message for a waiting consumer');
  assert.deepEqual(got, ['somebody']);
  await channel.deleteQueue(queue);
}));

scenario('delayed-retry', () => connected(async (channel) => {
  const [work, retry] = [unique('work'), unique('retry')];
  await channel.assertQueue(work, to(retry));
  await channel.assertQueue(retry, to(work, { 'x-message-ttl': 200 }));
  send(channel, work, 'stubborn');
  for (let attempt = 0; attempt < 4; attempt++) {
    const began = performance.now();
    const [m] = await take(channel, work, 1, {});
    assert.ok(attempt === 0 || performance.now() - began > 150, 'tried again too soon');
    assert.deepEqual(deaths(m), attempt ? [`${retry} expired ${attempt}`, `${work} rejected ${attempt}`] : []);
    channel.reject(m, false);
  }
  await channel.deleteQueue(work);
  await channel.deleteQueue(retry);
}));

scenario('delayed-message', () => connected(async (channel) => {
  const queue = await declare(channel, 'delayed');
  const began = performance.now();
  for (const delay of [600, 0, 300]) send(channel, queue, String(delay), { headers: { 'x-delay': delay } });
  assert.deepEqual(await bodies(channel, queue, 3), ['0', '300', '600']);
  assert.ok(performance.now() - began > 550, 'delivered too soon');
  await channel.deleteQueue(queue);
}));

scenario('single-active-consumer', () => connected((one) => connected(async (two) => {
  const queue = await declare(one, 'single', { durable: true, arguments: { 'x-single-active-consumer': true } });
  const got = [];
  let arrived = () => {};
  const handler = (who) => (m) => { got.push(`${who} ${m.content}`); arrived(); };
  const { consumerTag } = await one.consume(queue, handler('one'), { noAck: true });
  await two.consume(queue, handler('two'), { noAck: true });
  for (let n = 0; n < 4; n++) {
    const next = new Promise((resolve) => { arrived = resolve; });
    send(two, queue, String(n));
    await within(next, WAIT, `message ${n}`);
    if (n === 1) await one.cancel(consumerTag);
  }
  assert.deepEqual(got, ['one 0', 'one 1', 'two 2', 'two 3']);
  await two.deleteQueue(queue);
})));

scenario('consumer-priority', () => connected(async (channel) => {
  const queue = await declare(channel, 'preferred');
  await channel.prefetch(2);
  const got = {};
  let arrived;
  const all = new Promise((resolve) => { arrived = resolve; });
  for (const [who, priority] of [['low', -1], ['high', 10], ['middle', 0]]) {
    await channel.consume(queue, (m) => {
      got[m.content] = who;
      if (Object.keys(got).length === 5) arrived();
    }, { priority });
  }
  for (let n = 0; n < 5; n++) send(channel, queue, String(n));
  await within(all, WAIT, 'five messages');
  assert.deepEqual(Object.values(got), ['high', 'high', 'middle', 'middle', 'low']);
  await channel.deleteQueue(queue);
}));

scenario('stream', () => connected(async (channel) => {
  const queue = await declare(channel, 'stream', { durable: true, arguments: { 'x-queue-type': 'stream' } });
  for (let n = 0; n < 10; n++) send(channel, queue, String(n));
  await channel.waitForConfirms();
  await channel.prefetch(100);
  for (const [offset, first] of [['first', 0], [6, 6], ['first', 0]]) {
    const got = await take(channel, queue, 10 - first, { arguments: { 'x-stream-offset': offset } });
    assert.deepEqual(got.map((m) => Number(m.content)), [...Array(10).keys()].slice(first));
    channel.ackAll();
  }
  await channel.deleteQueue(queue);
}, { confirms: true }));

scenario('exchanges-and-alternates', () => connected(async (channel) => {
  const [rest, inner, outer] = ['rest', 'inner', 'outer'].map(unique);
  await channel.assertExchange(rest, 'fanout');
  await channel.assertExchange(inner, 'direct', { internal: true, alternateExchange: rest });
  await channel.assertExchange(outer, 'topic');
  await channel.bindExchange(inner, outer, 'a.*');
  const [found, others] = [await declare(channel, 'found'), await declare(channel, 'others')];
  await channel.bindQueue(found, inner, 'a.b');
  await channel.bindQueue(others, rest, '');
  for (const key of ['a.b', 'a.c', 'b.a']) channel.publish(outer, key, Buffer.from(key));
  assert.deepEqual([await bodies(channel, found, 1), await bodies(channel, others, 1)], [['a.b'], ['a.c']]);
  await channel.unbindExchange(inner, outer, 'a.*');
  await channel.unbindQueue(others, rest, '');
  channel.publish(outer, 'a.b', Buffer.from('nowhere'));
  assert.equal((await channel.checkQueue(found)).messageCount, 0);
  for (const queue of [found, others]) await channel.deleteQueue(queue);
  for (const exchange of [outer, inner, rest]) await channel.deleteExchange(exchange);
}));

scenario('policy', () => connected(async (channel) => {
  const queue = await declare(channel, 'governed');
  const dead = await declare(channel, 'dead');
  const path = `/api/policies/%2F/${queue}`;
  await http('PUT', path, {
    pattern: `^${queue.replaceAll('.', '[.]')}$`, 'apply-to': 'queues',
    definition: { 'message-ttl': 50, 'dead-letter-exchange': '', 'dead-letter-routing-key': dead },
  });
  await eventually('the policy at work', async () => {
    send(channel, queue, 'short-lived');
    return (await channel.checkQueue(dead)).messageCount > 0;
  });
  const [m] = await take(channel, dead, 1);
  assert.deepEqual(deaths(m), [`${queue} expired 1`]);
  await http('DELETE', path);
  await channel.deleteQueue(queue);
  await channel.deleteQueue(dead);
}));

scenario('killed-connection', async () => {
  const name = unique('killed');
  const connection = await connect('', undefined, { clientProperties: { connection_name: name } });
  await open(connection);
  let listed;
  await eventually('the connection in the list', async () => {
    listed = (await http('GET', '/api/connections')).find((c) => c.client_properties.connection_name === name);
    return listed;
  });
  await http('DELETE', `/api/connections/${encodeURIComponent(listed.name)}`);
  assert.match(String(await within(connection.closed, WAIT, 'the end')), /320/);
});

scenario('update-secret', async () => {
  const connection = await connect();
  await connection.updateSecret(Buffer.from('renewed'), 'on the hour');
  await open(connection);
  await connection.close();
});

scenario('mechanisms', async () => {
  const url = process.env.CLIENTS_AMQP;
  const { credentials } = require('amqplib');
  for (const given of [credentials.plain('guest', 'guest'), credentials.amqplain('guest', 'guest')]) {
    await (await amqp.connect(`${url}/`, { credentials: given })).close();
  }
  const odd = { mechanism: 'X-ODD', response: () => Buffer.from('') };
  await assert.rejects(amqp.connect(`${url}/`, { credentials: odd }), /None of the broker's SASL mechanisms|SASL/i);
});

scenario('settling-all', () => connected(async (channel) => {
  const queue = await declare(channel, 'settling');
  for (let n = 0; n < 6; n++) send(channel, queue, String(n));
  await take(channel, queue, 6, {});
  channel.nackAll(true);
  const again = await take(channel, queue, 6, {});
  assert.deepEqual(again.map((m) => `${m.content}${m.fields.redelivered ? 'r' : ''}`), ['0r', '1r', '2r', '3r', '4r', '5r']);
  channel.ack(again[1], true);
  await channel.recover();
  assert.deepEqual(await bodies(channel, queue, 4), ['2', '3', '4', '5']);
  assert.equal((await channel.deleteQueue(queue)).messageCount, 0);
}));
