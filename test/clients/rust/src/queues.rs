//! What queues and exchanges do with messages.

use crate::harness::*;
use futures_lite::StreamExt;
use lapin::{
    options::*,
    types::{AMQPValue, FieldTable, ShortString},
    BasicProperties, Channel, Confirmation, ExchangeKind,
};
use std::time::Instant;
use tokio::time::timeout;

pub async fn hello() -> Result<(), Failure> {
    let (connection, channel) = connect().await?;
    let queue = unique("hello");
    declare(&channel, &queue, FieldTable::default()).await?;
    expect("before confirm.select", publish(&channel, &queue, b"one", BasicProperties::default()).await?, Confirmation::NotRequested)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let properties = BasicProperties::default().with_delivery_mode(2).with_message_id("m".into()).with_headers(table(&[("k", text("v"))]));
    expect("confirm", publish(&channel, &queue, b"two", properties.clone()).await?.is_ack(), true)?;
    let got = take(&channel, &queue, 2, FieldTable::default()).await?;
    expect("bodies", bodies(&got), vec!["one".into(), "two".into()])?;
    expect("properties", &got[1].properties, &properties)?;
    got[1].acker.ack(BasicAckOptions { multiple: true }).await?;
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(connection.close(200, "bye".into()).await?)
}

pub async fn mandatory_return() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirm = channel.basic_publish("amq.direct".into(), unique("nowhere"), options, b"lost", BasicProperties::default()).await?;
    match confirm.await? {
        Confirmation::Ack(Some(returned)) => {
            expect("code", returned.reply_code, 312)?;
            expect("body", returned.data.as_slice(), b"lost".as_slice())
        }
        other => Err(format!("no return with the confirm: {other:?}").into()),
    }
}

pub async fn reject_publish() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let queue = unique("full");
    declare(&channel, &queue, table(&[("x-max-length", AMQPValue::LongInt(2)), ("x-overflow", text("reject-publish"))])).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut acks = Vec::new();
    for _ in 0..4 {
        acks.push(publish(&channel, &queue, b"x", BasicProperties::default()).await?.is_ack());
    }
    expect("acks", acks, vec![true, true, false, false])?;
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}

pub async fn requeue_order() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let queue = unique("requeue");
    declare(&channel, &queue, FieldTable::default()).await?;
    for n in 0..4 {
        publish(&channel, &queue, n.to_string().as_bytes(), BasicProperties::default()).await?;
    }
    let got = take(&channel, &queue, 4, FieldTable::default()).await?;
    got[3].acker.nack(BasicNackOptions { multiple: true, requeue: true }).await?;
    let again = take(&channel, &queue, 4, FieldTable::default()).await?;
    expect("order", bodies(&again), (0..4).map(|n| n.to_string()).collect())?;
    expect("redelivered", again.iter().all(|d| d.redelivered), true)?;
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}

/// Returns the newest entry of x-death.
fn newest_death(properties: &BasicProperties) -> Result<FieldTable, Failure> {
    let headers = properties.headers().as_ref().ok_or("no headers")?;
    match headers.inner().get("x-death") {
        Some(AMQPValue::FieldArray(deaths)) => match deaths.as_slice().first() {
            Some(AMQPValue::FieldTable(death)) => Ok(death.clone()),
            other => Err(format!("death {other:?}").into()),
        },
        other => Err(format!("x-death {other:?}").into()),
    }
}

pub async fn dead_letter() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let dead = unique("dead");
    declare(&channel, &dead, FieldTable::default()).await?;
    for (reason, arguments) in [
        ("rejected", vec![]),
        ("expired", vec![("x-message-ttl", AMQPValue::LongInt(50))]),
        ("maxlen", vec![("x-max-length", AMQPValue::LongInt(0))]),
        ("delivery_limit", vec![("x-queue-type", text("quorum")), ("x-delivery-limit", AMQPValue::LongInt(0))]),
    ] {
        let queue = unique(reason);
        let mut all = vec![("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(dead.as_str()))];
        all.extend(arguments);
        declare(&channel, &queue, table(&all)).await?;
        publish(&channel, &queue, reason.as_bytes(), BasicProperties::default()).await?;
        if let "rejected" | "delivery_limit" = reason {
            let got = take(&channel, &queue, 1, FieldTable::default()).await?;
            got[0].acker.reject(BasicRejectOptions { requeue: reason == "delivery_limit" }).await?;
        }
        let got = take(&channel, &dead, 1, FieldTable::default()).await?;
        got[0].acker.ack(BasicAckOptions::default()).await?;
        let death = newest_death(&got[0].properties)?;
        expect(reason, death.inner().get("reason"), Some(&text(reason)))?;
        expect("queue", death.inner().get("queue"), Some(&text(queue.as_str())))?;
        expect("count", death.inner().get("count"), Some(&AMQPValue::LongLongInt(1)))?;
        channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    }
    channel.queue_delete(dead, QueueDeleteOptions::default()).await?;
    Ok(())
}

pub async fn delayed_retry() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let (work, retry) = (unique("work"), unique("retry"));
    let to = |queue: &ShortString| vec![("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(queue.as_str()))];
    declare(&channel, &work, table(&to(&retry))).await?;
    let mut arguments = to(&work);
    arguments.push(("x-message-ttl", AMQPValue::LongInt(200)));
    declare(&channel, &retry, table(&arguments)).await?;
    publish(&channel, &work, b"stubborn", BasicProperties::default()).await?;
    for trip in 0..3 {
        let began = Instant::now();
        let got = take(&channel, &work, 1, FieldTable::default()).await?;
        if trip > 0 {
            expect("a wait before the next attempt", began.elapsed().as_millis() > 150, true)?;
            let death = newest_death(&got[0].properties)?;
            expect("trips", death.inner().get("count"), Some(&AMQPValue::LongLongInt(trip)))?;
        }
        got[0].acker.reject(BasicRejectOptions { requeue: false }).await?;
    }
    for queue in [work, retry] {
        channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    }
    Ok(())
}

pub async fn priority() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let queue = unique("priority");
    declare(&channel, &queue, table(&[("x-max-priority", AMQPValue::LongInt(5))])).await?;
    for p in [0, 5, 1, 3, 9, 3] {
        publish(&channel, &queue, p.to_string().as_bytes(), BasicProperties::default().with_priority(p)).await?;
    }
    let got = take(&channel, &queue, 6, FieldTable::default()).await?;
    expect("order", bodies(&got).concat(), "593310".to_string())?;
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}

/// A headers exchange behind another exchange, with an alternate for the rest.
pub async fn routing() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let (entry, headers, rest) = (unique("entry"), unique("headers"), unique("rest"));
    let (all, others) = (unique("all"), unique("others"));
    for (exchange, kind, arguments) in [
        (&rest, ExchangeKind::Fanout, FieldTable::default()),
        (&headers, ExchangeKind::Headers, table(&[("alternate-exchange", text(rest.as_str()))])),
        (&entry, ExchangeKind::Topic, FieldTable::default()),
    ] {
        channel.exchange_declare(exchange.clone(), kind, ExchangeDeclareOptions::default(), arguments).await?;
    }
    channel.exchange_bind(headers.clone(), entry.clone(), "a.#".into(), ExchangeBindOptions::default(), FieldTable::default()).await?;
    let matching = table(&[("x-match", text("all")), ("size", AMQPValue::LongInt(1)), ("colour", text("red"))]);
    for (queue, exchange, arguments) in [(&all, &headers, matching), (&others, &rest, FieldTable::default())] {
        declare(&channel, queue, FieldTable::default()).await?;
        channel.queue_bind(queue.clone(), exchange.clone(), "".into(), QueueBindOptions::default(), arguments).await?;
    }
    for (key, size, body) in [("a.b", 1, "both"), ("a", 2, "other size"), ("b.a", 1, "another key")] {
        let given = table(&[("size", AMQPValue::LongInt(size)), ("colour", text("red"))]);
        let properties = BasicProperties::default().with_headers(given);
        channel.basic_publish(entry.clone(), key.into(), BasicPublishOptions::default(), body.as_bytes(), properties).await?;
    }
    expect("matched", bodies(&take(&channel, &all, 1, FieldTable::default()).await?), vec!["both".into()])?;
    expect("alternate", bodies(&take(&channel, &others, 1, FieldTable::default()).await?), vec!["other size".into()])?;
    for queue in [all, others] {
        expect("left over", channel.queue_delete(queue, QueueDeleteOptions::default()).await?, 0)?;
    }
    for exchange in [entry, headers, rest] {
        channel.exchange_delete(exchange, ExchangeDeleteOptions::default()).await?;
    }
    Ok(())
}

pub async fn direct_reply_to() -> Result<(), Failure> {
    let (_connection, client) = connect().await?;
    let (_other, server) = connect().await?;
    let queue = unique("rpc");
    server.queue_declare(queue.clone(), QueueDeclareOptions::exclusive(), FieldTable::default()).await?;
    let pseudo: ShortString = "amq.rabbitmq.reply-to".into();
    let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut replies = client.basic_consume(pseudo.clone(), unique("tag"), no_ack, FieldTable::default()).await?;
    let properties = BasicProperties::default().with_reply_to(pseudo.clone()).with_correlation_id("7".into());
    publish(&client, &queue, b"20", properties).await?;
    let request = take(&server, &queue, 1, FieldTable::default()).await?.remove(0);
    let back = request.properties.reply_to().clone().ok_or("no reply-to")?;
    expect("rewritten", back.as_str().starts_with("amq.rabbitmq.reply-to."), true)?;
    let id = request.properties.correlation_id().clone().ok_or("no correlation id")?;
    publish(&server, &back, b"21", BasicProperties::default().with_correlation_id(id)).await?;
    let reply = timeout(WAIT, replies.next()).await?.ok_or("no reply")??;
    expect("reply", (bodies(&[reply])).concat(), "21".to_string())
}

pub async fn transaction() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let (_other, observer) = connect().await?;
    let queue = unique("tx");
    declare(&channel, &queue, FieldTable::default()).await?;
    channel.tx_select().await?;
    publish(&channel, &queue, b"undone", BasicProperties::default()).await?;
    channel.tx_rollback().await?;
    publish(&channel, &queue, b"done", BasicProperties::default()).await?;
    expect("before commit", observer.basic_get(queue.clone(), BasicGetOptions::default()).await?.is_none(), true)?;
    channel.tx_commit().await?;
    let got = take(&channel, &queue, 1, FieldTable::default()).await?;
    expect("committed", bodies(&got), vec!["done".into()])?;
    got[0].acker.ack(BasicAckOptions::default()).await?;
    channel.tx_commit().await?;
    expect("left over", observer.queue_delete(queue, QueueDeleteOptions::default()).await?, 0)
}

pub async fn stream() -> Result<(), Failure> {
    let (_connection, channel) = connect().await?;
    let queue = unique("stream");
    declare(&channel, &queue, table(&[("x-queue-type", text("stream"))])).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    for n in 0..10 {
        publish(&channel, &queue, n.to_string().as_bytes(), BasicProperties::default()).await?;
    }
    channel.basic_qos(100, BasicQosOptions::default()).await?;
    for (offset, wanted) in [(text("first"), "0123456789"), (AMQPValue::LongLongInt(7), "789"), (text("first"), "0123456789")] {
        let got = read(&channel, &queue, wanted.len(), offset).await?;
        expect("read", got, wanted.to_string())?;
    }
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}

async fn read(channel: &Channel, queue: &ShortString, count: usize, offset: AMQPValue) -> Result<String, Failure> {
    let got = take(channel, queue, count, table(&[("x-stream-offset", offset)])).await?;
    for d in &got {
        d.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(bodies(&got).concat())
}

pub async fn single_active_consumer() -> Result<(), Failure> {
    let (first, one) = connect().await?;
    let (_second, two) = connect().await?;
    let queue = unique("single");
    declare(&one, &queue, table(&[("x-single-active-consumer", AMQPValue::Boolean(true))])).await?;
    let mut active = one.basic_consume(queue.clone(), "one".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    let mut standby = two.basic_consume(queue.clone(), "two".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    for n in 0..3 {
        publish(&two, &queue, n.to_string().as_bytes(), BasicProperties::default()).await?;
    }
    for n in 0..3 {
        let d = timeout(WAIT, active.next()).await?.ok_or("the first consumer ended")??;
        expect("at the first consumer", bodies(&[d]), vec![n.to_string()])?;
    }
    first.close(200, "bye".into()).await?;
    for n in 0..3 {
        let d = timeout(WAIT, standby.next()).await?.ok_or("the second consumer ended")??;
        expect("at the second consumer", (bodies(std::slice::from_ref(&d)), d.redelivered), (vec![n.to_string()], true))?;
    }
    two.queue_delete(queue, QueueDeleteOptions::default()).await?;
    Ok(())
}
