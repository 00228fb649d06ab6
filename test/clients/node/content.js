'use strict';
// Messages come back byte for byte, whatever their size, properties and frames.

const crypto = require('node:crypto');
const { assert, connected, scenario, take, unique } = require('./harness');

const sizes = [0, 1, 4087, 4088, 4089, 131_063, 131_064, 131_065, 131_071, 131_072, 131_073, 10 << 20];

function roundTrips(query) {
  return connected(async (channel) => {
    const queue = unique('large');
    await channel.assertQueue(queue, { durable: true });
    for (const size of sizes) {
      const body = crypto.randomBytes(size);
      channel.sendToQueue(queue, body, { persistent: true, messageId: String(size) });
      await channel.waitForConfirms();
      const [got] = await take(channel, queue, 1);
      assert.equal(got.properties.messageId, String(size));
      assert.ok(body.equals(got.content), `${size} bytes came back as ${got.content.length} others`);
    }
    await channel.deleteQueue(queue);
  }, { query, confirms: true });
}

scenario('large-messages', () => roundTrips(''));
scenario('frame-max-4096', () => roundTrips('?frameMax=4096'));

scenario('properties', () => connected(async (channel) => {
  const queue = unique('properties');
  await channel.assertQueue(queue, { durable: true });
  const typed = (type, value) => ({ '!': type, value });
  const headers = {
    string: 'Grüße', true: true, false: false, byte: 5, short: -300, int: 2 ** 31 - 1, long: 2 ** 40, double: 2.5, none: null,
    bytes: Buffer.from([0, 255, 254]), time: typed('timestamp', 1_700_000_000), decimal: typed('decimal', { digits: 314, places: 2 }),
    float: typed('float', 0.5), empty: {}, array: [1, 'two', [3, { four: 4 }], null], table: { a: { b: { c: [{ d: 'deep' }] } } },
  };
  const sent = {
    contentType: 'text/plain', contentEncoding: 'utf-8', headers, deliveryMode: 2, priority: 7, correlationId: 'correlation',
    replyTo: 'reply', expiration: '600000', messageId: 'message', timestamp: 1_700_000_000, type: 'type', userId: 'guest',
    appId: 'app',
  };
  channel.sendToQueue(queue, Buffer.from('body'), sent);
  channel.sendToQueue(queue, Buffer.from('bare'));
  const [full, bare] = await take(channel, queue, 2);
  const { clusterId, ...got } = full.properties;
  assert.deepEqual({ ...got, headers: { ...got.headers } }, { ...sent, headers: { ...headers, float: got.headers.float } });
  assert.equal(clusterId, undefined);
  assert.equal(got.headers.float.value ?? got.headers.float, 0.5);
  for (const name of Object.keys(sent)) {
    if (name !== 'headers') assert.equal(bare.properties[name], undefined, name);
  }
  await channel.deleteQueue(queue);
}));
