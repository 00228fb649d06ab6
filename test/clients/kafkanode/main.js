'use strict';
// Scenarios of kafkajs against the broker at CLIENTS_KAFKA: one line for each.

const assert = require('node:assert/strict');
const { CompressionTypes, Kafka, logLevel } = require('kafkajs');

const WAIT = 20_000; // ms after which something that must happen is taken for lost

const connect = (more = {}) => new Kafka({ brokers: [process.env.CLIENTS_KAFKA], clientId: 'kafkanode', logLevel: logLevel.NOTHING, ...more });
const kafka = connect();
let serial = 0;
const unique = (what) => `node-${what}-${process.pid}-${++serial}`;

async function using(thing, body) {
  await thing.connect();
  try {
    return await body(thing);
  } finally {
    await thing.disconnect();
  }
}

const within = (promise, what) => Promise.race([promise,
  new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} took longer than ${WAIT} ms`)), WAIT).unref())]);

async function topic(what, numPartitions = 1) {
  const name = unique(what);
  await using(kafka.admin(), (a) => a.createTopics({ topics: [{ topic: name, numPartitions }] }));
  return name;
}

/** Consumes exactly count messages as a member of a group. */
async function take(name, count, groupId = unique('group'), client = kafka) {
  return using(client.consumer({ groupId }), async (c) => {
    const got = [];
    await c.subscribe({ topic: name, fromBeginning: true });
    await within(new Promise((resolve, reject) => {
      c.run({ eachMessage: async ({ message, partition }) => {
        got.push({ ...message, partition });
        if (got.length === count) resolve();
      } }).catch(reject);
    }), `${count} messages`);
    return got;
  });
}

const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => ({ key: `k${i}`, value: String(from + i) }));

const scenarios = {
  'produce and consume': async () => {
    const name = await topic('plain');
    await using(kafka.producer(), (p) => p.send({ topic: name, messages: [
      { key: 'k', value: 'v', headers: { h: 'x' }, timestamp: String(Date.now() - 1000) }, { key: null, value: null }] }));
    const [first, second] = await take(name, 2);
    assert.equal(String(first.key) + String(first.value) + String(first.headers.h), 'kvx');
    assert.equal(second.value, null);
  },
  gzip: async () => {
    const name = await topic('gzip');
    await using(kafka.producer(), (p) => p.send({ topic: name, compression: CompressionTypes.GZIP, messages: numbers(0, 500) }));
    assert.deepEqual((await take(name, 500)).map((m) => Number(m.value)), numbers(0, 500).map((m) => Number(m.value)));
  },
  'idempotent producer': async () => {
    const name = await topic('idempotent');
    await using(kafka.producer({ idempotent: true, maxInFlightRequests: 1 }), async (p) => {
      for (let i = 0; i < 20; i++) await p.send({ topic: name, messages: numbers(i * 10, i * 10 + 10) });
    });
    assert.equal((await take(name, 200)).length, 200);
  },
  transactions: async () => {
    const [name, group] = [await topic('tx'), unique('group')];
    await using(kafka.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 }), async (p) => {
      const aborted = await p.transaction();
      await aborted.send({ topic: name, messages: numbers(0, 10) });
      await aborted.abort();
      const committed = await p.transaction();
      await committed.send({ topic: name, messages: numbers(10, 20) });
      await committed.sendOffsets({ consumerGroupId: group, topics: [{ topic: name, partitions: [{ partition: 0, offset: '15' }] }] });
      await committed.commit();
    });
    assert.deepEqual((await take(name, 10)).map((m) => String(m.value)), numbers(10, 20).map((m) => m.value));
    const [{ partitions }] = await using(kafka.admin(), (a) => a.fetchOffsets({ groupId: group, topics: [name] }));
    assert.equal(partitions[0].offset, '15');
  },
  'a group shares partitions': async () => {
    const [name, groupId] = [await topic('group', 4), unique('group')];
    const seen = new Set();
    const members = [kafka.consumer({ groupId }), kafka.consumer({ groupId })];
    try {
      const owned = members.map(() => 0);
      for (const [i, c] of members.entries()) {
        c.on(c.events.GROUP_JOIN, ({ payload }) => { owned[i] = (payload.memberAssignment[name] || []).length; });
        await c.connect();
        await c.subscribe({ topic: name, fromBeginning: true });
        await c.run({ eachMessage: async ({ message, partition }) => { seen.add(`${partition}/${message.offset}`); } });
      }
      const until = Date.now() + WAIT;
      while (owned.join() !== '2,2' && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(owned.join(), '2,2');
      await using(kafka.producer(), (p) => p.send({ topic: name, messages: numbers(0, 200) }));
      while (seen.size < 200 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(seen.size, 200);
    } finally {
      for (const c of members) await c.disconnect();
    }
  },
  admin: async () => {
    const name = await topic('admin', 2);
    await using(kafka.admin(), async (a) => {
      assert.ok((await a.listTopics()).includes(name));
      await a.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] });
      assert.equal((await a.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length, 3);
      await a.alterConfigs({ resources: [{ type: 2, name, configEntries: [{ name: 'retention.ms', value: '60000' }] }] });
      const { resources } = await a.describeConfigs({ resources: [{ type: 2, name, configNames: ['retention.ms'] }] });
      assert.equal(resources[0].configEntries[0].configValue, '60000');
      assert.equal((await a.describeCluster()).brokers.length, 1);
      await using(kafka.producer(), (p) => p.send({ topic: name, messages: [{ partition: 0, value: 'a' }, { partition: 0, value: 'b' }] }));
      assert.equal((await a.fetchTopicOffsets(name)).find((p) => p.partition === 0).high, '2');
      await a.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '1' }] });
      const groupId = unique('group');
      await take(name, 1, groupId);
      assert.ok((await a.listGroups()).groups.some((g) => g.groupId === groupId));
      await a.deleteGroups([groupId]);
      await a.deleteTopics({ topics: [name] });
    });
  },
  'PLAIN and SCRAM': async () => {
    const name = await topic('sasl');
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
      const client = connect({ sasl: { mechanism, username: 'guest', password: 'guest' } });
      await using(client.producer(), (p) => p.send({ topic: name, messages: [{ value: mechanism }] }));
      const wrong = connect({ sasl: { mechanism, username: 'guest', password: 'wrong' }, retry: { retries: 0 } });
      await assert.rejects(using(wrong.producer(), async () => {}), /[Aa]uthentication/);
    }
    assert.equal((await take(name, 3)).length, 3);
  },
};

async function main() {
  const wanted = new RegExp(process.env.SCENARIO || '');
  let failed = 0;
  for (const [name, run] of Object.entries(scenarios).filter(([n]) => wanted.test(n))) {
    const began = performance.now();
    try {
      await run();
      console.log(`ok   kafkanode ${name} (${(performance.now() - began).toFixed(0)} ms)`);
    } catch (e) {
      failed++;
      console.error(e);
      console.log(`FAIL kafkanode ${name}: ${String(e.message).replaceAll('\n', ' ').slice(0, 400)}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';
main();
