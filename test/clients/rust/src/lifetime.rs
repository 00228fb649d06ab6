//! Errors, and connections that do not last.

use crate::harness::*;
use futures_lite::StreamExt;
use lapin::{options::*, types::FieldTable, BasicProperties, Connection, ConnectionProperties, Error, ErrorKind};
use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// The reply code of a channel or connection error.
fn code(e: &Error) -> u16 {
    match e.kind() {
        ErrorKind::ProtocolError(e) => e.get_id(),
        _ => 0,
    }
}

pub async fn errors() -> Result<(), Failure> {
    let (connection, channel) = connect().await?;
    let queue = unique("errors");
    declare(&channel, &queue, FieldTable::default()).await?;
    let passive = QueueDeclareOptions::default().passive();
    let e = channel.queue_declare(unique("missing"), passive, FieldTable::default()).await.err().ok_or("no 404")?;
    expect("missing queue", code(&e), 404)?;
    let channel = connection.create_channel().await?;
    let e = channel.queue_declare(queue.clone(), QueueDeclareOptions::default(), FieldTable::default()).await.err().ok_or("no 406")?;
    expect("declared otherwise", code(&e), 406)?;
    let channel = connection.create_channel().await?;
    let e = channel.queue_declare("amq.mine".into(), QueueDeclareOptions::durable(), FieldTable::default()).await.err().ok_or("no 403")?;
    expect("reserved name", code(&e), 403)?;
    let channel = connection.create_channel().await?;
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    let e = Connection::connect(&(url() + "-missing"), ConnectionProperties::default()).await.err().ok_or("no 530")?;
    expect("missing vhost", code(&e), 530)
}

pub async fn cancel_notify() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let (_other, observer) = connect().await?;
    let queue = unique("cancelled");
    declare(&channel, &queue, FieldTable::default()).await?;
    let mut consumer = channel.basic_consume(queue.clone(), "c".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    observer.queue_delete(queue.clone(), QueueDeleteOptions::default()).await?;
    match timeout(WAIT, consumer.next()).await? {
        None => {}
        Some(other) => return Err(format!("wanted the end of the consumer: {other:?}").into()),
    }
    channel.queue_declare("".into(), QueueDeclareOptions::exclusive(), FieldTable::default()).await?; // it still works
    Ok(())
}

pub async fn large_messages() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let queue = unique("large");
    declare(&channel, &queue, FieldTable::default()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    for size in [0, 1, 131_063, 131_064, 131_065, 10 << 20] {
        let body: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        expect("confirm", publish(&channel, &queue, &body, BasicProperties::default()).await?.is_ack(), true)?;
        let got = take(&channel, &queue, 1, FieldTable::default()).await?;
        expect("same bytes", got[0].data == body, true)?;
        got[0].acker.ack(BasicAckOptions::default()).await?;
    }
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}

/// The server closes the connection on an administrator's word, and the client comes back by itself with its consumer.
pub async fn recovery() -> Result<(), Failure> {
    let name = unique("killed");
    let properties = ConnectionProperties::default().with_connection_name(name.as_str().into()).enable_auto_recover();
    let connection = Connection::connect(&url(), properties).await?;
    let channel = connection.create_channel().await?;
    let (_other, publisher) = connect().await?;
    let queue = unique("recovery");
    declare(&publisher, &queue, FieldTable::default()).await?;
    let mut consumer = channel.basic_consume(queue.clone(), "c".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    for round in 0..3 {
        publish(&publisher, &queue, round.to_string().as_bytes(), BasicProperties::default()).await?;
        loop {
            match timeout(WAIT, consumer.next()).await?.ok_or("the consumer ended")? {
                Ok(d) if bodies(std::slice::from_ref(&d)) == vec![round.to_string()] => {
                    d.acker.ack(BasicAckOptions::default()).await?;
                    break;
                }
                Ok(d) => {
                    d.acker.ack(BasicAckOptions::default()).await?; // its first ack was overtaken by the end
                }
                Err(e) => channel.wait_for_recovery(e).await?,
            }
        }
        kill(name.as_str()).await?;
    }
    publisher.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}

/// Closes the connection with this name through the management API.
async fn kill(name: &str) -> Result<(), Failure> {
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        let list: serde_json::Value = serde_json::from_str(&http("GET", "/api/connections")?)?;
        let connections = list.as_array().ok_or("no list of connections")?;
        if let Some(found) = connections.iter().find(|c| c["client_properties"]["connection_name"] == name) {
            let listed = found["name"].as_str().ok_or("no name")?;
            let escaped = listed.replace(' ', "%20").replace('>', "%3E").replace(':', "%3A");
            http("DELETE", &format!("/api/connections/{escaped}"))?;
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("{name} is not listed").into())
}

fn http(method: &str, path: &str) -> Result<String, Failure> {
    let base = env::var("CLIENTS_HTTP")?;
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)?;
    // The login is guest:guest.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no end of the headers")?;
    match head.split(' ').nth(1) {
        Some("200" | "204") => Ok(body.to_string()),
        other => Err(format!("{method} {path}: {other:?}").into()),
    }
}
