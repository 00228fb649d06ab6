"""The application that the workers and the scenarios share: its queue is of the type and name in the environment."""

import os
import signal
import time

from celery import Celery
from kombu import Exchange, Queue

KIND = os.environ["CELERY_KIND"]  # classic or quorum
QUEUE = os.environ["CELERY_QUEUE"]
# Quorum queues have no priorities.
ARGUMENTS = {"x-queue-type": "quorum"} if KIND == "quorum" else {"x-max-priority": 9}

app = Celery("weir", broker=os.environ["CELERY_BROKER"], backend="rpc://")
app.conf.update(
    task_queues=[Queue(QUEUE, Exchange(QUEUE, type="topic"), routing_key=QUEUE, queue_arguments=ARGUMENTS)],
    task_default_queue=QUEUE, task_default_exchange=QUEUE, task_default_exchange_type="topic", task_default_routing_key=QUEUE,
    task_default_queue_type=KIND, broker_native_delayed_delivery_queue_type=KIND,
    worker_prefetch_multiplier=2, task_acks_late=True, task_reject_on_worker_lost=True, task_track_started=True,
    task_send_sent_event=True, worker_send_task_events=True, broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True, broker_connection_max_retries=None,
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def fails_twice(self):
    if self.request.retries < 2:
        raise self.retry(countdown=1)
    return self.request.retries


@app.task
def fails():
    raise ValueError("as planned")


@app.task(bind=True, acks_late=False)
def finished_at(self):
    return time.time()


@app.task
def hold(path):
    """Runs until the file path exists."""
    open(path + ".started", "w").close()
    until = time.monotonic() + 30
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.02)
    return os.path.exists(path)


@app.task(bind=True)
def dies_once(self, path):
    """Ends its worker process in a hard way the first time."""
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return bool(self.request.delivery_info["redelivered"])


@app.task
def note(path, what):
    with open(path, "a") as f:
        f.write(what)
