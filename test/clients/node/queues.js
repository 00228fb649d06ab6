'use strict';
// What queues and exchanges do with messages: settle, expire, limit, order, cancel.

const { assert, bodies, connected, open, scenario, take, unique, WAIT, within } = require('./harness');

const message = Buffer.from;
const anonymous = async (channel) => (await channel.assertQueue('', { exclusive: true })).queue;

scenario('mandatory-return', () => connected(async (channel) => {
  const exchange = unique('nobody');
  await channel.assertExchange(exchange, 'direct', { durable: false });
  const events = [];
  channel.on('return', (m) => events.push(m));
  channel.publish(exchange, 'nowhere', message('lost'), { mandatory: true, messageId: 'm' }, () => events.push('confirm'));
  channel.publish(exchange, 'nowhere', message('dropped'), {}, () => events.push('confirm'));
  await channel.waitForConfirms();
  assert.equal(events.length, 3);
  const [returned] = events;
  assert.deepEqual([returned.fields.replyCode, returned.fields.replyText, returned.fields.exchange,
    returned.fields.routingKey, returned.properties.messageId, returned.content.toString()],
  [312, 'NO_ROUTE', exchange, 'nowhere', 'm', 'lost']);
  assert.deepEqual(events.slice(1), ['confirm', 'confirm']);
  await channel.deleteExchange(exchange);
}, { confirms: true }));

scenario('requeue-order', () => connected(async (channel) => {
  const queue = unique('requeue');
  await channel.assertQueue(queue, { durable: false });
  for (let n = 0; n < 5; n++) channel.sendToQueue(queue, message(String(n)));
  const shape = (list) => list.map((m) => [m.content.toString(), m.fields.redelivered]);
  const wanted = (flag) => ['0', '1', '2', '3', '4'].map((n) => [n, flag]);
  const first = await take(channel, queue, 5, {});
  assert.deepEqual(shape(first), wanted(false));
  for (const m of first) channel.nack(m);
  const second = await take(channel, queue, 5, {});
  assert.deepEqual(shape(second), wanted(true));
  channel.nack(second[4], true);
  const third = await take(channel, queue, 5, {});
  assert.deepEqual(shape(third), wanted(true));
  channel.reject(third[1], true);
  assert.deepEqual(shape(await take(channel, queue, 1, {})), [['1', true]]);
  await channel.deleteQueue(queue);
}));

scenario('dead-letter-reject', () => connected(async (channel) => {
  const queue = unique('source');
  const exchange = unique('dlx');
  await channel.assertExchange(exchange, 'fanout', { durable: false });
  const dead = await anonymous(channel);
  await channel.bindQueue(dead, exchange, '');
  await channel.assertQueue(queue, { durable: false, deadLetterExchange: exchange, deadLetterRoutingKey: 'buried' });
  channel.sendToQueue(queue, message('bad'), { headers: { mine: 7 }, messageId: 'id' });
  const [bad] = await take(channel, queue, 1, {});
  channel.reject(bad, false);
  const [got] = await take(channel, dead, 1);
  assert.deepEqual([got.fields.exchange, got.fields.routingKey, got.content.toString()], [exchange, 'buried', 'bad']);
  const { headers } = got.properties;
  assert.deepEqual([headers.mine, got.properties.messageId], [7, 'id']);
  const { time, ...death } = headers['x-death'][0];
  assert.deepEqual(death, { count: 1, reason: 'rejected', queue, exchange: '', 'routing-keys': [queue] });
  assert.equal(time['!'], 'timestamp');
  assert.ok(Math.abs(time.value - Date.now() / 1000) < 5, `time of death ${time.value}`);
  assert.deepEqual(['queue', 'reason', 'exchange'].map((f) => headers[`x-first-death-${f}`]), [queue, 'rejected', '']);
  await channel.deleteQueue(queue);
  await channel.deleteExchange(exchange);
}));

async function expire(options, properties, original) {
  await connected(async (channel) => {
    const queue = unique('ttl');
    const dead = await anonymous(channel);
    await channel.assertQueue(queue, { durable: false, ...options, deadLetterExchange: '', deadLetterRoutingKey: dead });
    const began = performance.now();
    channel.sendToQueue(queue, message('late'), properties);
    const [got] = await take(channel, dead, 1);
    const took = performance.now() - began;
    assert.ok(took >= 150 && took < 5000, `expired after ${took} ms`);
    const [death] = got.properties.headers['x-death'];
    assert.deepEqual([death.reason, death.queue, death.count, death['original-expiration']], ['expired', queue, 1, original]);
    assert.equal(got.properties.expiration, undefined);
    await channel.deleteQueue(queue);
  });
}

scenario('ttl-queue', () => expire({ messageTtl: 200 }, {}, undefined));
scenario('ttl-message', () => expire({ messageTtl: 60_000 }, { expiration: 200 }, '200'));

scenario('priority', () => connected(async (channel) => {
  const queue = unique('priority');
  await channel.assertQueue(queue, { durable: false, maxPriority: 5 });
  [0, 5, 1, 3, 5, 9, undefined, 3].forEach((priority, n) => channel.sendToQueue(queue, message(String(n)), { priority }));
  assert.equal((await bodies(channel, queue, 8)).join(''), '14537206');
  await channel.deleteQueue(queue);
}));

scenario('max-length-drop-head', () => connected(async (channel) => {
  const queue = unique('short');
  const dead = await anonymous(channel);
  await channel.assertQueue(queue, { durable: false, maxLength: 3, deadLetterExchange: '', deadLetterRoutingKey: dead });
  for (let n = 0; n < 5; n++) channel.sendToQueue(queue, message(String(n)));
  const gone = await take(channel, dead, 2);
  assert.deepEqual(gone.map((m) => [m.content.toString(), m.properties.headers['x-death'][0].reason]),
    [['0', 'maxlen'], ['1', 'maxlen']]);
  assert.deepEqual(await bodies(channel, queue, 3), ['2', '3', '4']);
  await channel.deleteQueue(queue);
}));

scenario('max-length-reject-publish', () => connected(async (channel) => {
  const queue = unique('full');
  await channel.assertQueue(queue, { durable: false, maxLength: 2, arguments: { 'x-overflow': 'reject-publish' } });
  const publish = (text) => new Promise((resolve) => {
    channel.sendToQueue(queue, message(text), {}, (e) => resolve(e ? 'nack' : 'ack'));
  });
  const outcome = [];
  for (let n = 0; n < 4; n++) outcome.push(await publish(String(n)));
  assert.deepEqual(outcome, ['ack', 'ack', 'nack', 'nack']);
  assert.deepEqual(await bodies(channel, queue, 2), ['0', '1']);
  assert.equal(await publish('room again'), 'ack');
  await channel.deleteQueue(queue);
}, { confirms: true }));

async function refused(connection, code, action) {
  const channel = await open(connection);
  const outcome = await Promise.allSettled([action(channel)]);
  assert.equal(outcome[0].status, 'rejected', 'no error');
  assert.equal((await within(channel.failure, WAIT, 'the channel error')).code, code);
}

scenario('exclusive-queue', () => connected(async (_, observer) => {
  const queue = unique('mine');
  await connected(async (channel) => {
    await channel.assertQueue(queue, { exclusive: true });
    await refused(observer, 405, (c) => c.get(queue));
  });
  await refused(observer, 404, (c) => c.checkQueue(queue));
}));

scenario('auto-delete-queue', () => connected(async (channel, connection) => {
  const queue = unique('auto');
  await channel.assertQueue(queue, { durable: false, autoDelete: true });
  const one = await channel.consume(queue, () => {});
  const two = await channel.consume(queue, () => {});
  await channel.cancel(one.consumerTag);
  await channel.checkQueue(queue);
  await channel.cancel(two.consumerTag);
  await refused(connection, 404, (c) => c.checkQueue(queue));
}));

scenario('server-named-queue', () => connected(async (channel) => {
  const a = await anonymous(channel);
  const b = await anonymous(channel);
  assert.ok(a.startsWith('amq.gen-') && a !== b, `${a} ${b}`);
  const exchange = unique('last');
  await channel.assertExchange(exchange, 'direct', { durable: false });
  await channel.bindQueue('', exchange, 'k'); // the queue declared last
  channel.publish(exchange, 'k', message('x'));
  assert.deepEqual(await bodies(channel, b, 1), ['x']);
  await channel.deleteExchange(exchange);
}));

scenario('cancel-notify', () => connected((channel) => connected(async (other) => {
  const queue = unique('doomed');
  await channel.assertQueue(queue, { durable: false });
  const cancelled = new Promise((resolve) => { channel.consume(queue, (m) => m === null && resolve()); });
  await channel.checkQueue(queue);
  await other.deleteQueue(queue);
  await within(cancelled, WAIT, 'basic.cancel');
  await anonymous(channel); // the channel lives
})));

scenario('get-purge-passive', () => connected(async (channel) => {
  const queue = unique('get');
  assert.equal((await channel.assertQueue(queue, { durable: false })).messageCount, 0);
  assert.equal(await channel.get(queue), false);
  for (let n = 0; n < 5; n++) channel.sendToQueue(queue, message(String(n)));
  const zero = await channel.get(queue);
  assert.deepEqual([zero.content.toString(), zero.fields.messageCount, zero.fields.redelivered], ['0', 4, false]);
  assert.equal((await channel.get(queue, { noAck: true })).content.toString(), '1');
  assert.deepEqual(await channel.checkQueue(queue), { queue, messageCount: 3, consumerCount: 0 });
  assert.equal((await channel.purgeQueue(queue)).messageCount, 3);
  channel.nack(zero);
  const again = await channel.get(queue, { noAck: true });
  assert.ok(again, 'what was out during the purge and requeued is not there for the next get');
  assert.deepEqual([again.content.toString(), again.fields.redelivered], ['0', true]);
  assert.equal((await channel.deleteQueue(queue)).messageCount, 0);
}));

scenario('headers-exchange', () => connected(async (channel) => {
  const exchange = unique('headers');
  await channel.assertExchange(exchange, 'headers', { durable: false });
  const queues = {};
  for (const match of ['all', 'any']) {
    queues[match] = await anonymous(channel);
    await channel.bindQueue(queues[match], exchange, '', { 'x-match': match, format: 'pdf', pages: 3 });
  }
  for (const [body, headers] of [['both', { format: 'pdf', pages: 3, more: true }], ['one', { format: 'pdf' }],
    ['other', { format: 'zip', pages: 3 }], ['none', { format: 'zip' }], ['bare', {}]]) {
    channel.publish(exchange, '', message(body), { headers });
  }
  assert.deepEqual(await bodies(channel, queues.all, 1), ['both']);
  assert.deepEqual(await bodies(channel, queues.any, 3), ['both', 'one', 'other']);
  for (const queue of Object.values(queues)) assert.equal((await channel.checkQueue(queue)).messageCount, 0);
  await channel.deleteExchange(exchange);
}));

module.exports = { anonymous, refused };
