'use strict';
// Scenarios of amqplib against the broker at CLIENTS_AMQP; each module registers its own.

const { runAll } = require('./harness');
require('./tutorials');
require('./queues');
require('./failures');
require('./content');
require('./features');
require('./lifetime');

runAll();
