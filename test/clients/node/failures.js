'use strict';
// Errors: their codes, and what survives them.

const { amqp, assert, bodies, connect, connected, open, scenario, unique, WAIT, within } = require('./harness');
const { anonymous } = require('./queues');

/** Runs action on a new channel, wants it closed with code, and the connection alive after it. */
async function channelError(connection, code, action) {
  const channel = await open(connection);
  // The last call brings in an error that follows an asynchronous method.
  await Promise.allSettled([Promise.resolve().then(() => action(channel)).then(() => channel.assertQueue('', { exclusive: true }))]);
  assert.equal((await within(channel.failure, WAIT, `the error ${code}`)).code, code);
  const other = await open(connection);
  const queue = await anonymous(other);
  other.sendToQueue(queue, Buffer.from('alive'));
  assert.deepEqual(await bodies(other, queue, 1), ['alive']);
  await other.close();
}

async function connectionError(code, action) {
  const connection = await connect();
  const channel = await open(connection);
  await Promise.allSettled([Promise.resolve().then(() => action(channel, connection)).then(() => anonymous(channel))]);
  await within(connection.closed, WAIT, 'the close');
  assert.equal(connection.lastError?.code, code);
}

scenario('error-404', () => connected(async (_, connection) => {
  const missing = unique('missing');
  await channelError(connection, 404, (c) => c.checkQueue(missing));
  await channelError(connection, 404, (c) => c.checkExchange(missing));
  await channelError(connection, 404, (c) => c.consume(missing, () => {}));
  await channelError(connection, 404, (c) => c.get(missing));
  await channelError(connection, 404, (c) => c.publish(missing, 'k', Buffer.alloc(0)));
  await channelError(connection, 404, (c) => c.bindQueue(missing, 'amq.direct', 'k'));
}));

scenario('error-403', () => connected(async (channel, connection) => {
  await channelError(connection, 403, (c) => c.assertQueue('amq.mine'));
  await channelError(connection, 403, (c) => c.assertExchange('amq.mine', 'direct'));
  await channelError(connection, 403, (c) => c.deleteExchange('amq.direct'));
  const queue = unique('single');
  await channel.assertQueue(queue, { durable: false });
  await channel.consume(queue, () => {}, { exclusive: true });
  await channelError(connection, 403, (c) => c.consume(queue, () => {}));
  await channel.deleteQueue(queue);
  await assert.rejects(amqp.connect(process.env.CLIENTS_AMQP.replace('guest:guest', 'guest:wrong')), /403|ACCESS_REFUSED/);
}));

scenario('error-405', () => connected((owner) => connected(async (_, connection) => {
  const queue = unique('locked');
  await owner.assertQueue(queue, { exclusive: true });
  await channelError(connection, 405, (c) => c.assertQueue(queue, { exclusive: true }));
  await channelError(connection, 405, (c) => c.consume(queue, () => {}));
  await channelError(connection, 405, (c) => c.deleteQueue(queue));
})));

scenario('error-406-delivery-tag', () => connected(async (channel, connection) => {
  await channelError(connection, 406, (c) => c.ack({ fields: { deliveryTag: 99 } }));
  const queue = unique('twice');
  await channel.assertQueue(queue, { durable: false });
  channel.sendToQueue(queue, Buffer.from('x'));
  await channel.checkQueue(queue);
  await channelError(connection, 406, async (c) => {
    const m = await c.get(queue);
    c.ack(m);
    c.ack(m);
  });
  await channel.deleteQueue(queue);
}));

scenario('error-406-inequivalent', () => connected(async (channel, connection) => {
  const queue = unique('args');
  const exchange = unique('args');
  await channel.assertQueue(queue, { durable: true, messageTtl: 1000 });
  await channel.assertExchange(exchange, 'direct', { durable: false });
  await channelError(connection, 406, (c) => c.assertQueue(queue, { durable: false, messageTtl: 1000 }));
  await channelError(connection, 406, (c) => c.assertQueue(queue, { durable: true, messageTtl: 2000 }));
  await channelError(connection, 406, (c) => c.assertQueue(queue, { durable: true }));
  await channelError(connection, 406, (c) => c.assertExchange(exchange, 'fanout', { durable: false }));
  await channelError(connection, 406, (c) => c.assertExchange(exchange, 'direct', { durable: true }));
  await channel.deleteQueue(queue);
  await channel.deleteExchange(exchange);
}));

scenario('error-530', async () => {
  await assert.rejects(amqp.connect(process.env.CLIENTS_AMQP + '/no-such-vhost'), /530|NOT.ALLOWED|ConnectionClose/);
  await connectionError(530, async (channel) => {
    const queue = await anonymous(channel);
    await channel.consume(queue, () => {}, { consumerTag: 'twice' });
    await channel.consume(queue, () => {}, { consumerTag: 'twice' });
  });
});

scenario('error-540', () => connectionError(540, (channel) => {
  const fields = { ticket: 0, exchange: '', routingKey: 'q', mandatory: false, immediate: true };
  channel.sendMessage(fields, {}, Buffer.alloc(0)); // publish() does not offer immediate
}));
