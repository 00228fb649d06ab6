"""Scenarios of a Celery application, each on a classic and on a quorum queue."""

import os
import subprocess
import sys
import tempfile
import threading
import time

from celery.exceptions import TaskRevokedError

import harness
from harness import WAIT, Broker, expect, scenario

harness.CLIENT = "celery"
KINDS = ("classic", "quorum")


class Application:
    """The application of app.py in this process, with workers in others. Celery is configured once a process, so that
    every scenario runs in a process of its own."""

    def __init__(self, kind, broker=None):
        self.kind = kind
        self.directory = tempfile.mkdtemp(prefix="celery-", dir=os.environ.get("CLIENTS_TEMP"))
        self.queue = harness.unique(f"celery.{kind}")
        self.environment = {"CELERY_KIND": kind, "CELERY_QUEUE": self.queue,
                            "CELERY_BROKER": broker or os.environ["CLIENTS_AMQP"] + "//"}
        os.environ.update(self.environment)
        import app  # pylint: disable=import-outside-toplevel
        self.tasks, self.celery = app, app.app
        self.workers = []
        self.events = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.workers:
            process.terminate()
        for process in self.workers:
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if any(sys.exc_info()):
            harness.log(open(self.log).read()[-4000:] if self.workers else "no worker")
        with self.celery.connection_for_write() as connection:
            connection.channel().queue_delete(self.queue)

    @property
    def log(self):
        return os.path.join(self.directory, "worker.log")

    def path(self, name):
        return os.path.join(self.directory, name)

    def work(self, name="one", concurrency=2, pool="prefork"):
        """Starts a worker and waits until it answers."""
        node = f"{name}.{os.getpid()}@weir"
        with open(self.log, "ab") as log:
            self.workers.append(subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "app", "worker", "-n", node, "-c", str(concurrency), "-P", pool, "-l", "info",
                 "--without-gossip", "--without-mingle"], env={**os.environ, **self.environment}, stdout=log, stderr=log))
        eventually(lambda: self.celery.control.ping(destination=[node], timeout=0.5), "the worker's pong")
        return node

    def watch(self):
        """Collects the events from now on."""
        self.events, ready = [], threading.Event()

        def receive():
            with self.celery.connection_for_read() as connection:
                receiver = self.celery.events.Receiver(connection, handlers={"*": self.events.append})
                receiver.on_consume_ready = lambda *_, **__: ready.set()
                receiver.capture(limit=None, timeout=None, wakeup=False)

        threading.Thread(target=receive, daemon=True).start()
        assert ready.wait(WAIT), "no event receiver"

    def happened(self, *kinds):
        """Waits until these kinds of events were seen, of the same task."""
        def seen():
            by_task = {}
            for e in self.events:
                by_task.setdefault(e.get("uuid"), []).append(e["type"])
            return any(all(k in types for k in kinds) for types in by_task.values())
        eventually(seen, f"events {kinds} in {[e['type'] for e in self.events]}")


def eventually(condition, what):
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"in vain: {what}")


def expect_revoked(result):
    try:
        raise AssertionError(f"revoked, but it returned {result.get(timeout=WAIT)}")
    except TaskRevokedError:
        pass


def on_both(name):
    """Registers the scenario once for every type of queue."""
    def add(function):
        for kind in KINDS:
            scenario(f"{name}-{kind}")(lambda kind=kind: function(Application(kind)))
        return function
    return add


@on_both("tasks")
def tasks(application):
    with application as a:
        a.watch()
        a.work()
        results = [a.tasks.add.delay(n, n) for n in range(20)]
        expect([r.get(timeout=WAIT) for r in results], [2 * n for n in range(20)])
        expect((a.tasks.add.s(1, 2) | a.tasks.add.s(10)).apply_async().get(timeout=WAIT), 13, "a chain")
        group = a.celery.GroupResult("g", [a.tasks.add.delay(n, 1) for n in range(5)])
        expect(group.get(timeout=WAIT), [1, 2, 3, 4, 5], "a group")
        failed = a.tasks.fails.delay()
        try:
            failed.get(timeout=WAIT)
            raise AssertionError("the failure was not reported")
        except ValueError as e:
            expect(str(e), "as planned")
        expect(a.tasks.fails_twice.delay().get(timeout=WAIT), 2, "retries")
        a.happened("task-sent", "task-received", "task-started", "task-succeeded")
        a.happened("task-retried")
        a.happened("task-failed")
        a.happened("worker-heartbeat")


@on_both("countdown")
def countdown(application):
    with application as a:
        a.work()
        began = time.time()
        sent = {delay: a.tasks.finished_at.apply_async(countdown=delay) for delay in (3, 1, 2)}
        ran = {delay: result.get(timeout=WAIT) - began for delay, result in sent.items()}
        for delay, took in ran.items():
            assert delay - 0.1 <= took < delay + 3, f"countdown {delay} ran after {took:.2f} s"
        expect(sorted(ran, key=ran.get), [1, 2, 3])
        expired = a.tasks.finished_at.apply_async(countdown=1, expires=0.2)
        expect_revoked(expired)


@on_both("remote-control")
def remote_control(application):
    with application as a:
        node = a.work(concurrency=1)
        other = a.work("two", concurrency=1)
        control = a.celery.control
        expect({name for reply in control.ping(timeout=2, destination=[node, other]) for name in reply}, {node, other})
        inspect = control.inspect([node], timeout=2, limit=1)
        assert "app.add" in inspect.registered()[node]
        expect([q["name"] for q in inspect.active_queues()[node]], [a.queue])
        stats = inspect.stats()[node]
        expect((stats["pool"]["max-concurrency"], stats["prefetch_count"]), (1, 2))
        control.cancel_consumer(a.queue, destination=[other], reply=True, timeout=2)
        later = a.tasks.add.apply_async((2, 2), countdown=3600)
        if a.kind == "classic":  # the delay of a quorum queue is the broker's, no worker has the task yet
            scheduled = eventually(lambda: inspect.scheduled()[node], "a scheduled task")
            expect([t["request"]["id"] for t in scheduled], [later.id])
            control.revoke(later.id, destination=[node])
            eventually(lambda: later.id in inspect.revoked()[node], "the revocation")
        held = a.tasks.hold.delay(a.path("go on"))
        active = eventually(lambda: inspect.active()[node], "an active task")
        expect([t["id"] for t in active], [held.id])
        waiting = a.tasks.add.delay(1, 1)
        if a.kind == "quorum":
            eventually(lambda: waiting.id in [t["id"] for t in inspect.reserved()[node]], "a reserved task")
        control.revoke(waiting.id, reply=True, destination=[node], timeout=2)
        open(a.path("go on"), "w").close()
        expect(held.get(timeout=WAIT), True)
        expect_revoked(waiting)
        control.add_consumer(a.queue, destination=[other], reply=True, timeout=2)
        reply = control.rate_limit("app.add", "100/s", destination=[node], reply=True, timeout=2)
        assert "ok" in reply[0][node], reply
        control.pool_grow(1, destination=[node], reply=True, timeout=2)
        eventually(lambda: len(inspect.stats()[node]["pool"]["processes"]) == 2, "a grown pool")
        terminated = a.tasks.hold.delay(a.path("never"))
        eventually(lambda: any(inspect_all(a, node, other, terminated.id)), "the task to terminate")
        terminated.revoke(terminate=True, signal="SIGKILL")
        expect_revoked(terminated)
        control.shutdown(destination=[other])
        expect(a.workers[1].wait(WAIT), 0, "exit status of a worker shut down by remote control")
        a.workers.pop()


def inspect_all(a, node, other, task):
    answers = a.celery.control.inspect([node, other], timeout=1, limit=2).active() or {}
    return [t for tasks_of in answers.values() for t in tasks_of if t["id"] == task]


@on_both("late-acknowledgement")
def late_acknowledgement(application):
    with application as a:
        a.work(concurrency=1)
        expect(a.tasks.dies_once.delay(a.path("died")).get(timeout=2 * WAIT), True, "redelivered")
        # A worker that is killed as a whole leaves its tasks to another.
        held = a.tasks.hold.delay(a.path("go on"))
        eventually(lambda: os.path.exists(a.path("go on.started")), "the start")
        worker = a.workers.pop()
        subprocess.run(["pkill", "-KILL", "-P", str(worker.pid)], check=False)
        worker.kill()
        worker.wait()
        open(a.path("go on"), "w").close()
        a.work("heir", concurrency=1)
        expect(held.get(timeout=2 * WAIT), True)


@scenario("priorities-classic")
def priorities():
    with Application("classic") as a:
        with a.celery.connection_for_write() as connection:
            a.celery.amqp.queues[a.queue].bind(connection).declare()
        results = [a.tasks.note.apply_async((a.path("order"), str(p)), priority=p) for p in (0, 9, 3, 6, 9, 1)]
        a.work(concurrency=1, pool="solo")
        for result in results:
            result.get(timeout=WAIT)
        expect(open(a.path("order")).read(), "996310")


@on_both("many-tasks-prefetch")
def many(application):
    with application as a:
        a.work()
        a.work("two")
        results = [a.tasks.add.delay(n, 1) for n in range(500)]
        expect(sum(r.get(timeout=WAIT) for r in results), 125250)
        with a.celery.connection_for_read() as connection:
            counts = connection.channel().queue_declare(a.queue, passive=True)
            expect((counts.message_count, counts.consumer_count), (0, 2))


def restart(kind):
    with Broker() as broker, Application(kind, broker.url.replace("%2F", "/")) as a:
        node = a.work()
        expect(a.tasks.add.delay(1, 1).get(timeout=WAIT), 2)
        for end in (broker.terminate, broker.kill):
            end()
            broker.start()
            eventually(lambda: pong(a, node), "the worker's return")
            expect(a.tasks.add.apply_async((2, 2), retry=True).get(timeout=WAIT), 4)


def pong(a, node):
    try:
        return a.celery.control.ping(destination=[node], timeout=0.5)
    except OSError:
        return False


for each in KINDS:
    scenario(f"broker-restart-{each}")(lambda kind=each: restart(kind))

sys.exit(harness.run_apart(__file__) if len(sys.argv) == 1 else harness.run_one(sys.argv[1]))
