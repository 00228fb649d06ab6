'use strict';
// Runs scenarios one by one and prints a line for each; starts brokers of its own for those that kill one.

const amqp = require('amqplib');
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

const WAIT = 20_000; // ms after which something that must happen is taken for lost

const scenarios = [];
const scenario = (name, run) => scenarios.push({ name, run });

async function runAll() {
  const wanted = new RegExp(process.env.SCENARIO || '');
  let failed = 0;
  for (const { name, run } of scenarios.filter((s) => wanted.test(s.name))) {
    const began = performance.now();
    try {
      await within(run(), 6 * WAIT, 'the scenario');
      console.log(`ok   node ${name} (${(performance.now() - began).toFixed(0)} ms)`);
    } catch (e) {
      failed++;
      console.error(e);
      console.log(`FAIL node ${name}: ${String(e.message).replaceAll('\n', ' ').slice(0, 400)}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

let serial = 0;
const unique = (what) => `node.${what}.${process.pid}.${++serial}`;

/** Opens a connection whose error does not end the process; it is also kept as connection.lastError. */
async function connect(query = '', url = process.env.CLIENTS_AMQP + '/%2F', socketOptions = {}) {
  const connection = await amqp.connect(url + query, socketOptions);
  connection.on('error', (e) => { connection.lastError = e; });
  connection.closed = new Promise((resolve) => connection.on('close', resolve));
  return connection;
}

async function open(connection, confirms = false) {
  const channel = await (confirms ? connection.createConfirmChannel() : connection.createChannel());
  channel.failure = new Promise((resolve) => channel.on('error', resolve));
  return channel;
}

/** Runs body(channel, connection) on a connection of its own. */
async function connected(body, { query = '', confirms = false, url, socketOptions } = {}) {
  const connection = await connect(query, url, socketOptions);
  try {
    return await body(await open(connection, confirms), connection);
  } finally {
    await within(connection.close(), WAIT, 'connection.close').catch((e) => { if (!connection.lastError) throw e; });
  }
}

/** Consumes exactly count messages. */
async function take(channel, queue, count, options = { noAck: true }) {
  const got = [];
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  const { consumerTag } = await channel.consume(queue, (m) => {
    if (m !== null && got.length < count) got.push(m);
    if (got.length >= count) done();
  }, options);
  await within(all, WAIT, `${got.length} of ${count} messages from ${queue}`);
  await channel.cancel(consumerTag);
  return got;
}

const bodies = async (channel, queue, count) => (await take(channel, queue, count)).map((m) => m.content.toString());

async function freePort() {
  // Below the ephemeral range, so that no outgoing connection takes it while the broker is down.
  for (let n = 0; n < 200; n++) {
    const port = 20000 + ((process.pid * 7 + n * 13 + 5) % 10000);
    const server = net.createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port');
}

/** A broker of the scenario's own, that can be killed and started again on the same port and data. */
class Broker {
  static async run(body) {
    const broker = new Broker();
    const last = () => broker.process?.kill('SIGKILL'); // also where the scenario hangs
    process.on('exit', last);
    broker.directory = fs.mkdtempSync(path.join(process.env.CLIENTS_TEMP || os.tmpdir(), 'node-'));
    broker.port = await freePort();
    broker.url = `amqp://guest:guest@127.0.0.1:${broker.port}/%2F`;
    try {
      await broker.start();
      await body(broker);
    } finally {
      await broker.kill();
      process.off('exit', last);
      fs.rmSync(broker.directory, { recursive: true, force: true });
    }
  }

  async start() {
    const log = fs.openSync(path.join(this.directory, 'log'), 'a');
    this.process = spawn(process.env.CLIENTS_BIN, ['serve', '--data', path.join(this.directory, 'data'),
      '--listen', `amqp=127.0.0.1:${this.port}`, '--listen', 'http=off'], { stdio: ['ignore', 'pipe', log] });
    fs.closeSync(log);
    this.exit = once(this.process, 'exit');
    for await (const line of readline.createInterface({ input: this.process.stdout })) {
      if (line.startsWith('ready')) return;
    }
    throw new Error(`broker did not start: ${fs.readFileSync(path.join(this.directory, 'log')).slice(-2000)}`);
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.exit;
  }

  async terminate() {
    this.process.kill('SIGTERM');
    const [code] = await within(this.exit, WAIT, 'the end after SIGTERM');
    assert.equal(code, 0, 'exit status after SIGTERM');
  }
}

module.exports = { WAIT, Broker, amqp, assert, bodies, connect, connected, open, runAll, scenario, take, unique, within };
