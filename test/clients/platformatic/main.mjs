// Scenarios of @platformatic/kafka against the broker at CLIENTS_KAFKA.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const load = createRequire(`${process.env.NODE_PATH}/`);
const { Admin, Consumer, Producer, jsonSerializer, jsonDeserializer, stringSerializer, stringDeserializer } = await import(
  pathToFileURL(load.resolve('@platformatic/kafka')));

const WAIT = 60_000; // ms after which a scenario is taken for lost
let serial = 0;
const unique = (what) => `platformatic.${what}.${process.pid}.${++serial}`;
const options = { clientId: 'suite', bootstrapBrokers: [process.env.CLIENTS_KAFKA] };
const serializers = { key: stringSerializer, value: jsonSerializer, headerKey: stringSerializer, headerValue: stringSerializer };
const deserializers = { key: stringDeserializer, value: jsonDeserializer, headerKey: stringDeserializer, headerValue: stringDeserializer };

/** Runs f with a client, and closes it. */
async function using(client, f) {
  try {
    return await f(client);
  } finally {
    await (client instanceof Consumer ? client.close(true) : client.close());
  }
}

async function create(what, partitions = 1) {
  const topic = unique(what);
  await using(new Admin(options), (admin) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }));
  return topic;
}

const produce = (messages, more = {}) => using(new Producer({ ...options, serializers }), (p) => p.send({ messages, ...more }));

/** Consumes count messages of a topic from the start, and commits how far it is. */
const consume = (topic, count, more = {}) =>
  using(new Consumer({ ...options, deserializers, groupId: unique('group'), maxWaitTime: 200, ...more }), async (consumer) => {
    const stream = await consumer.consume({ topics: [topic], autocommit: false, mode: 'committed', fallbackMode: 'earliest' });
    const got = [];
    for await (const message of stream) {
      got.push(message);
      await message.commit();
      if (got.length === count) break;
    }
    return got;
  });

const scenarios = {
  async 'produce-consume'() {
    const topic = await create('topic', 3);
    const messages = Array.from({ length: 60 }, (_, i) => ({ topic, key: `k${i % 7}`, value: { i }, headers: { n: String(i) } }));
    await produce(messages);
    const got = await consume(topic, 60);
    assert.deepEqual(got.map((m) => m.value.i).sort((a, b) => a - b), messages.map((m) => m.value.i));
    for (const m of got) assert.equal(m.headers.get('n'), String(m.value.i));
  },
  async compressions() {
    for (const compression of ['gzip', 'snappy', 'lz4']) {
      const topic = await create(compression);
      await produce([{ topic, key: 'k', value: { compression, text: 'x'.repeat(5000) } }], { compression });
      assert.equal((await consume(topic, 1))[0].value.compression, compression);
    }
  },
  async groups() {
    for (const groupProtocol of ['classic', 'consumer']) {
      const topic = await create(groupProtocol, 2);
      const groupId = unique('group');
      const more = { groupId, groupProtocol };
      await produce([{ topic, key: 'a', value: 1 }]);
      assert.equal((await consume(topic, 1, more))[0].value, 1);
      await produce([{ topic, key: 'a', value: 2 }]);
      assert.equal((await consume(topic, 1, more))[0].value, 2, 'goes on where it was');
    }
  },
  async transactions() {
    const topic = await create('topic');
    const producer = new Producer({ ...options, serializers, idempotent: true, transactionalId: unique('tx') });
    await using(producer, async () => {
      for (const [value, end] of [['yes', 'commit'], ['no', 'abort'], ['again', 'commit']]) {
        const transaction = await producer.beginTransaction();
        await transaction.send({ messages: [{ topic, key: 'k', value }] });
        await transaction[end]();
      }
    });
    const got = await consume(topic, 2, { isolationLevel: 1 });
    assert.deepEqual(got.map((m) => m.value), ['yes', 'again']);
  },
  admin: () => using(new Admin(options), async (admin) => {
    const topic = await create('topic', 2);
    assert.ok((await admin.listTopics()).includes(topic));
    await admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [1] }] }] });
    assert.equal((await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitionsCount, 3);
    await admin.deleteTopics({ topics: [topic] });
    assert.ok(!(await admin.listTopics()).includes(topic));
  }),
};

const wanted = new RegExp(process.env.SCENARIO || '');
let failed = 0;
for (const [name, run] of Object.entries(scenarios).filter(([n]) => wanted.test(n))) {
  const began = performance.now();
  let timer;
  try {
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('the scenario took too long')), WAIT); });
    await Promise.race([run(), late]);
    console.log(`ok   platformatic ${name} (${(performance.now() - began).toFixed(0)} ms)`);
  } catch (e) {
    failed++;
    console.error(e);
    console.log(`FAIL platformatic ${name}: ${String(e.message).replaceAll('\n', ' ').slice(0, 400)}`);
  } finally {
    clearTimeout(timer);
  }
}
process.exit(failed ? 1 : 0);
