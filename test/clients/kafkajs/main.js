'use strict';
// Scenarios of kafkajs against the broker at CLIENTS_KAFKA (and CLIENTS_KAFKAS with TLS).

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Kafka, logLevel, CompressionTypes, AclResourceTypes, AclOperationTypes, AclPermissionTypes, ResourcePatternTypes, ConfigResourceTypes } = require('kafkajs');

const WAIT = 60_000; // ms after which a scenario is taken for lost

const connect = (options = {}) => new Kafka({ clientId: 'suite', brokers: [process.env.CLIENTS_KAFKA], logLevel: logLevel.NOTHING, ...options });
const kafka = connect();
let serial = 0;
const unique = (what) => `kafkajs.${what}.${process.pid}.${++serial}`;
const scenarios = [];
const scenario = (name, run) => scenarios.push({ name, run });

/** Runs f with something that is connected, and disconnects it. */
async function using(client, f) {
  await client.connect();
  try {
    return await f(client);
  } finally {
    await client.disconnect();
  }
}

const create = (topic, numPartitions, configEntries = []) =>
  using(kafka.admin(), (admin) => admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] }));

/** Consumes count messages of a topic in a group, from the start. */
function consume(topic, count, groupId = unique('group'), options = {}) {
  return using(kafka.consumer({ groupId, maxWaitTimeInMs: 200, ...options }), async (consumer) => {
    await consumer.subscribe({ topic, fromBeginning: true });
    const got = [];
    await new Promise((resolve, reject) => {
      consumer.on(consumer.events.CRASH, (e) => reject(e.payload.error));
      consumer.run({
        eachMessage: async ({ partition, message }) => {
          got.push({ partition, ...message });
          if (got.length === count) resolve();
        },
      }).catch(reject);
    });
    return got;
  });
}

scenario('produce-consume', async () => {
  const topic = unique('topic');
  await create(topic, 3);
  const messages = Array.from({ length: 300 }, (_, i) => ({ key: `k${i % 7}`, value: `v${i}`, headers: { n: String(i) } }));
  await using(kafka.producer(), (producer) => producer.send({ topic, messages }));
  const got = await consume(topic, 300);
  assert.deepEqual(new Set(got.map((m) => String(m.value))), new Set(messages.map((m) => m.value)));
  for (const key of new Set(messages.map((m) => m.key))) { // order per key
    const values = got.filter((m) => String(m.key) === key).map((m) => Number(String(m.value).slice(1)));
    assert.deepEqual(values, [...values].sort((a, b) => a - b));
  }
  assert.equal(String(got[0].headers.n), String(got[0].value).slice(1));
});

scenario('null-and-empty', async () => {
  const topic = unique('topic');
  await create(topic, 1);
  await using(kafka.producer(), (producer) => producer.send({ topic, messages: [{ key: 'a', value: null }, { key: null, value: '' }] }));
  const [a, b] = await consume(topic, 2);
  assert.equal(a.value, null);
  assert.equal(b.key, null);
  assert.equal(String(b.value), '');
});

scenario('gzip', async () => {
  const topic = unique('topic');
  await create(topic, 1);
  await using(kafka.producer(), (producer) => producer.send({ topic, compression: CompressionTypes.GZIP, messages: [{ value: 'x'.repeat(10_000) }] }));
  assert.equal((await consume(topic, 1))[0].value.length, 10_000);
});

scenario('idempotent', async () => {
  const topic = unique('topic');
  await create(topic, 1);
  await using(kafka.producer({ idempotent: true, maxInFlightRequests: 1 }), async (producer) => {
    for (let i = 0; i < 50; i++) await producer.send({ topic, messages: [{ value: String(i) }] });
  });
  assert.deepEqual((await consume(topic, 50)).map((m) => Number(String(m.value))), Array.from({ length: 50 }, (_, i) => i));
});

scenario('transactions', async () => {
  const [from, to, groupId] = [unique('from'), unique('to'), unique('group')];
  await create(from, 1);
  await create(to, 1);
  const producer = kafka.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 });
  await using(producer, async () => {
    for (const [value, commit] of [['yes', true], ['no', false], ['again', true]]) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: to, messages: [{ value }] });
      await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: from, partitions: [{ partition: 0, offset: commit ? '7' : '9' }] }] });
      await (commit ? transaction.commit() : transaction.abort());
    }
  });
  assert.deepEqual((await consume(to, 2)).map((m) => String(m.value)), ['yes', 'again']);
  const [committed] = await using(kafka.admin(), (admin) => admin.fetchOffsets({ groupId, topics: [from] }));
  assert.equal(committed.partitions[0].offset, '7');
});

scenario('groups-share', async () => {
  const [topic, groupId] = [unique('topic'), unique('group')];
  await create(topic, 4);
  const seen = [new Set(), new Set()];
  const consumers = seen.map(() => kafka.consumer({ groupId, maxWaitTimeInMs: 200 }));
  let total = 0;
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  try {
    const joined = consumers.map((consumer) => new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, (e) => {
      if (Object.values(e.payload.memberAssignment).flat().length === 2) resolve(); // half of them
    })));
    for (const [i, consumer] of consumers.entries()) {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) => {
          seen[i].add(`${partition}/${message.offset}`);
          if (++total === 400) done();
        },
      });
    }
    await Promise.all(joined);
    await using(kafka.producer(), (producer) => producer.send({ topic, messages: Array.from({ length: 400 }, (_, i) => ({ value: String(i), partition: i % 4 })) }));
    await all;
  } finally {
    await Promise.all(consumers.map((c) => c.disconnect()));
  }
  assert.equal(seen[0].size, 200);
  assert.equal(seen[1].size, 200);
});

scenario('groups-go-on', async () => {
  const [topic, groupId] = [unique('topic'), unique('group')];
  await create(topic, 1);
  const send = (value) => using(kafka.producer(), (producer) => producer.send({ topic, messages: [{ value }] }));
  await send('one');
  assert.equal(String((await consume(topic, 1, groupId))[0].value), 'one');
  await send('two');
  assert.equal(String((await consume(topic, 1, groupId))[0].value), 'two');
});

scenario('admin', () => using(kafka.admin(), async (admin) => {
  const [topic, groupId] = [unique('topic'), unique('group')];
  await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '86400000' }] }] });
  assert.ok((await admin.listTopics()).includes(topic));
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  const { topics: [metadata] } = await admin.fetchTopicMetadata({ topics: [topic] });
  assert.equal(metadata.partitions.length, 5);
  const described = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }] });
  assert.equal(described.resources[0].configEntries[0].configValue, '86400000');
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] });
  await using(kafka.producer(), (producer) => producer.send({ topic, messages: [{ key: 'k', value: 'v', partition: 0 }] }));
  assert.equal((await admin.fetchTopicOffsets(topic)).find((p) => p.partition === 0).high, '1');
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '1' }] });
  assert.ok((await admin.listGroups()).groups.some((g) => g.groupId === groupId));
  assert.equal((await admin.describeGroups([groupId])).groups[0].state, 'Empty');
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
  assert.equal((await admin.fetchTopicOffsets(topic)).find((p) => p.partition === 0).low, '1');
  await admin.deleteGroups([groupId]);
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
  const cluster = await admin.describeCluster();
  assert.equal(cluster.brokers.length, 1);
}));

scenario('acls', () => using(kafka.admin(), async (admin) => {
  const acl = {
    resourceType: AclResourceTypes.TOPIC, resourceName: unique('topic'), resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:nobody', host: '*', operation: AclOperationTypes.READ, permissionType: AclPermissionTypes.ALLOW,
  };
  await admin.createAcls({ acl: [acl] });
  const { resources } = await admin.describeAcls(acl);
  assert.equal(resources[0].acls[0].principal, 'User:nobody');
  const { filterResponses } = await admin.deleteAcls({ filters: [acl] });
  assert.equal(filterResponses[0].matchingAcls.length, 1);
}));

for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
  scenario(`sasl-${mechanism}`, async () => {
    const login = (password) => using(connect({ sasl: { mechanism, username: 'guest', password }, retry: { retries: 0 } }).admin(), (admin) => admin.listTopics());
    await login('guest');
    await assert.rejects(login('wrong'), /SASL|[Aa]uthentication/);
  });
}

scenario('tls', () => using(connect({ brokers: [process.env.CLIENTS_KAFKAS], ssl: { ca: [fs.readFileSync(process.env.CLIENTS_CA)] } }).admin(), (admin) => admin.listTopics()));

async function main() {
  const wanted = new RegExp(process.env.SCENARIO || '');
  let failed = 0;
  for (const { name, run } of scenarios.filter((s) => wanted.test(s.name))) {
    const began = performance.now();
    let timer;
    try {
      const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('the scenario took too long')), WAIT); });
      await Promise.race([run(), late]);
      console.log(`ok   kafkajs ${name} (${(performance.now() - began).toFixed(0)} ms)`);
    } catch (e) {
      failed++;
      console.error(e);
      console.log(`FAIL kafkajs ${name}: ${String(e.message).replaceAll('\n', ' ').slice(0, 400)}`);
    } finally {
      clearTimeout(timer);
    }
  }
  process.exit(failed ? 1 : 0);
}

main();
