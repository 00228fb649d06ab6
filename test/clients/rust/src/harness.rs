//! What the scenarios share.

use futures_lite::StreamExt;
use lapin::{
    message::Delivery,
    options::*,
    types::{AMQPValue, FieldTable, ShortString},
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
};
use std::{
    env,
    fmt::Debug,
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use tokio::time::timeout;

pub type Failure = Box<dyn std::error::Error>;

/// After how long something that must happen is taken for lost.
pub const WAIT: Duration = Duration::from_secs(20);

pub async fn run(name: &str, scenario: impl Future<Output = Result<(), Failure>>) -> bool {
    let began = Instant::now();
    let why = match timeout(6 * WAIT, scenario).await {
        Ok(Ok(())) => {
            println!("ok   rust {name} ({} ms)", began.elapsed().as_millis());
            return true;
        }
        Ok(Err(e)) => e.to_string(),
        Err(_) => "it did not end".to_string(),
    };
    println!("FAIL rust {name}: {}", why.replace('\n', " "));
    false
}

pub fn expect<T: PartialEq + Debug>(what: &str, got: T, wanted: T) -> Result<(), Failure> {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: got {got:?}, wanted {wanted:?}").into())
}

pub fn unique(what: &str) -> ShortString {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    format!("rust.{what}.{}.{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed)).into()
}

pub async fn connect() -> Result<(Connection, Channel), Failure> {
    let connection = Connection::connect(&url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

pub fn url() -> String {
    env::var("CLIENTS_AMQP").expect("CLIENTS_AMQP") + "/%2f"
}

pub fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut t = FieldTable::default();
    for (name, value) in entries {
        t.insert((*name).into(), value.clone());
    }
    t
}

pub fn text(s: &str) -> AMQPValue {
    AMQPValue::LongString(s.into())
}

pub async fn declare(channel: &Channel, queue: &ShortString, arguments: FieldTable) -> Result<(), Failure> {
    channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

pub async fn publish(channel: &Channel, queue: &ShortString, body: &[u8], properties: BasicProperties) -> Result<Confirmation, Failure> {
    let options = BasicPublishOptions::default();
    Ok(timeout(WAIT, channel.basic_publish("".into(), queue.clone(), options, body, properties).await?).await??)
}

/// Consumes exactly count messages without settling them.
pub async fn take(channel: &Channel, queue: &ShortString, count: usize, arguments: FieldTable) -> Result<Vec<Delivery>, Failure> {
    let tag = unique("tag");
    let mut consumer = channel.basic_consume(queue.clone(), tag.clone(), BasicConsumeOptions::default(), arguments).await?;
    let mut got = Vec::new();
    while got.len() < count {
        match timeout(WAIT, consumer.next()).await {
            Ok(Some(delivery)) => got.push(delivery?),
            _ => return Err(format!("{} of {count} messages from {queue}", got.len()).into()),
        }
    }
    channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
    Ok(got)
}

pub fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|d| String::from_utf8_lossy(&d.data).into_owned()).collect()
}
