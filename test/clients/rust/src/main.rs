//! Scenarios of lapin against the broker at CLIENTS_AMQP: one line of output each.

mod harness;
mod lifetime;
mod queues;

use harness::{run, Failure};
use std::{env, future::Future, pin::Pin, process::exit};

type Scenario = fn() -> Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

macro_rules! scenarios {
    ($($name:literal $function:path),* $(,)?) => { [$(($name, (|| Box::pin($function())) as Scenario)),*] };
}

#[tokio::main]
async fn main() {
    let scenarios = scenarios![
        "hello" queues::hello,
        "mandatory-return" queues::mandatory_return,
        "max-length-reject-publish" queues::reject_publish,
        "requeue-order" queues::requeue_order,
        "dead-letter" queues::dead_letter,
        "delayed-retry" queues::delayed_retry,
        "priority" queues::priority,
        "routing" queues::routing,
        "rpc-direct-reply-to" queues::direct_reply_to,
        "transaction" queues::transaction,
        "stream" queues::stream,
        "single-active-consumer" queues::single_active_consumer,
        "errors" lifetime::errors,
        "cancel-notify" lifetime::cancel_notify,
        "large-messages" lifetime::large_messages,
        "recovery-killed-connection" lifetime::recovery,
    ];
    let wanted = env::var("SCENARIO").unwrap_or_default();
    let mut failed = false;
    for (name, scenario) in scenarios {
        if name.contains(&wanted) {
            failed |= !run(name, scenario()).await;
        }
    }
    exit(failed.into());
}
