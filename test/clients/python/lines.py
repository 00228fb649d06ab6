"""A pytest plugin that prints one line per test, in the form of the other clients."""

import os

import pytest

SUITE = os.environ.get("CLIENTS_SUITE", "pytest")


@pytest.hookimpl
def pytest_runtest_logreport(report):
    name = report.nodeid.split("::", 1)[-1].replace(" ", "_")
    if report.failed:
        why = report.longreprtext.strip().splitlines()
        marked = [line[1:].strip() for line in why if line.startswith("E ")]
        print(f"FAIL {SUITE} {name}: {report.when}: {' / '.join(marked[:3]) or why[-1]}", flush=True)
    elif report.when == "call" and report.passed:
        print(f"ok   {SUITE} {name} ({report.duration * 1000:.0f} ms)", flush=True)


@pytest.hookimpl
def pytest_collectreport(report):
    if report.failed:
        print(f"FAIL {SUITE} {report.nodeid}: collect: {report.longreprtext.strip().splitlines()[-1]}", flush=True)
