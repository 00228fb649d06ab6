"""Scenarios of pika against the broker at CLIENTS_AMQP; each module registers its own."""

import sys

# ruff: noqa: F401
import tutorials
import queues
import failures
import content
import features
import lifetime
from harness import run_all

sys.exit(run_all())
