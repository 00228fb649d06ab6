"""Scenarios of confluent-kafka against the broker at CLIENTS_KAFKA; each module registers its own."""

import sys

import administration  # noqa: F401
import groups  # noqa: F401
import harness
import interop  # noqa: F401
import records  # noqa: F401
import security  # noqa: F401
import transactions  # noqa: F401

harness.CLIENT = "confluent"
sys.exit(harness.run_all())
