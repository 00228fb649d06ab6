"""Scenarios of pika against the broker at CLIENTS_AMQP."""

import sys

import tutorials  # noqa: F401  (registers its scenarios)
from harness import run_all

sys.exit(run_all())
