import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What queues and exchanges do with messages: settle, expire, limit, order, cancel. */
final class Queues {
  private Queues() {}

  static void register() {
    Harness.onConnection("mandatory-return", Queues::mandatoryReturn);
    Harness.onConnection("requeue-order", Queues::requeueOrder);
    Harness.onConnection("dead-letter-reject", Queues::deadLetter);
    Harness.onConnection("ttl-queue", ch -> expire(ch, Map.of("x-message-ttl", 200), null));
    Harness.onConnection("ttl-message", ch -> expire(ch, Map.of("x-message-ttl", 60_000), "200"));
    Harness.onConnection("priority", Queues::priority);
    Harness.onConnection("max-length-drop-head", Queues::dropHead);
    Harness.onConnection("max-length-reject-publish", Queues::rejectPublish);
    Harness.scenario("exclusive-queue", Queues::exclusive);
    Harness.onConnection("auto-delete-queue", Queues::autoDelete);
    Harness.onConnection("server-named-queue", Queues::serverNamed);
    Harness.scenario("cancel-notify", Queues::cancelNotify);
    Harness.onConnection("get-purge-passive", Queues::getPurgePassive);
    Harness.onConnection("headers-exchange", Queues::headers);
  }

  private static void mandatoryReturn(Channel ch) throws Exception {
    String exchange = Harness.unique("nobody");
    ch.exchangeDeclare(exchange, "direct");
    List<String> events = Collections.synchronizedList(new ArrayList<>());
    ch.addReturnListener(r -> events.add(String.join(" ", "return", String.valueOf(r.getReplyCode()), r.getReplyText(),
        r.getExchange(), r.getRoutingKey(), r.getProperties().getMessageId(), new String(r.getBody()))));
    ch.addConfirmListener((tag, multiple) -> events.add("ack"), (tag, multiple) -> events.add("nack"));
    ch.confirmSelect();
    ch.basicPublish(exchange, "nowhere", true, new AMQP.BasicProperties.Builder().messageId("m").build(), Harness.bytes("lost"));
    ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
    Harness.expect(events, List.of("return 312 NO_ROUTE " + exchange + " nowhere m lost", "ack"), "events");
    Harness.send(ch, exchange, "nowhere", "dropped");
    ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
    Harness.expect(events.size(), 3, "events");
    ch.exchangeDelete(exchange);
  }

  private static List<String> shape(List<Delivery> list) {
    return list.stream().map(d -> Harness.text(d) + (d.getEnvelope().isRedeliver() ? "r" : "")).toList();
  }

  private static long tag(Delivery d) {
    return d.getEnvelope().getDeliveryTag();
  }

  private static void requeueOrder(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "requeue", false, null);
    for (String n : Harness.numbers(5)) {
      Harness.send(ch, "", queue, n);
    }
    List<Delivery> first = Harness.take(ch, queue, 5, false);
    Harness.expect(shape(first), Harness.numbers(5), "first");
    for (Delivery d : first) {
      ch.basicNack(tag(d), false, true);
    }
    List<String> again = List.of("0r", "1r", "2r", "3r", "4r");
    List<Delivery> second = Harness.take(ch, queue, 5, false);
    Harness.expect(shape(second), again, "second");
    ch.basicNack(tag(second.get(4)), true, true);
    List<Delivery> third = Harness.take(ch, queue, 5, false);
    Harness.expect(shape(third), again, "third");
    ch.basicReject(tag(third.get(1)), true);
    Harness.expect(shape(Harness.take(ch, queue, 1, false)), List.of("1r"), "after reject");
    ch.queueDelete(queue);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> death(Delivery d) {
    return new HashMap<>(((List<Map<String, Object>>) d.getProperties().getHeaders().get("x-death")).get(0));
  }

  /** Long strings come as a type of the client's own. */
  private static Object plain(Object v) {
    if (v instanceof List<?> l) {
      return l.stream().map(Queues::plain).toList();
    }
    return v instanceof com.rabbitmq.client.LongString ? v.toString() : v;
  }

  private static void deadLetter(Channel ch) throws Exception {
    String exchange = Harness.unique("dlx");
    ch.exchangeDeclare(exchange, "fanout");
    String dead = Harness.anonymous(ch);
    ch.queueBind(dead, exchange, "");
    String queue = Harness.queue(ch, "source", false,
        Map.of("x-dead-letter-exchange", exchange, "x-dead-letter-routing-key", "buried"));
    ch.basicPublish("", queue, new AMQP.BasicProperties.Builder().headers(Map.of("mine", 7)).messageId("id").build(),
        Harness.bytes("bad"));
    ch.basicReject(tag(Harness.take(ch, queue, 1, false).get(0)), false);
    Delivery got = Harness.take(ch, dead, 1, true).get(0);
    Harness.expect(List.of(got.getEnvelope().getExchange(), got.getEnvelope().getRoutingKey(), Harness.text(got)),
        List.of(exchange, "buried", "bad"), "envelope");
    Map<String, Object> headers = got.getProperties().getHeaders();
    Harness.expect(headers.get("mine"), 7, "header of ours");
    Harness.expect(got.getProperties().getMessageId(), "id", "message id");
    Map<String, Object> death = death(got);
    Date time = (Date) death.remove("time");
    Harness.check(Math.abs(time.getTime() - System.currentTimeMillis()) < 5000, "time of death " + time);
    death.replaceAll((k, v) -> plain(v));
    Harness.expect(death, Map.of("count", 1L, "reason", "rejected", "queue", queue, "exchange", "", "routing-keys",
        List.of(queue)), "x-death");
    Harness.expect(plain(headers.get("x-first-death-reason")), "rejected", "x-first-death-reason");
    Harness.expect(plain(headers.get("x-first-death-queue")), queue, "x-first-death-queue");
    Harness.expect(plain(headers.get("x-first-death-exchange")), "", "x-first-death-exchange");
    ch.queueDelete(queue);
    ch.exchangeDelete(exchange);
  }

  private static void expire(Channel ch, Map<String, Object> extra, String expiration) throws Exception {
    String dead = Harness.anonymous(ch);
    Map<String, Object> arguments = new HashMap<>(extra);
    arguments.put("x-dead-letter-exchange", "");
    arguments.put("x-dead-letter-routing-key", dead);
    String queue = Harness.queue(ch, "ttl", false, arguments);
    long began = System.nanoTime();
    ch.basicPublish("", queue, new AMQP.BasicProperties.Builder().expiration(expiration).build(), Harness.bytes("late"));
    Delivery got = Harness.take(ch, dead, 1, true).get(0);
    long took = (System.nanoTime() - began) / 1_000_000;
    Harness.check(took >= 150 && took < 5000, "expired after " + took + " ms");
    Map<String, Object> death = death(got);
    Harness.expect(plain(death.get("reason")), "expired", "reason");
    Harness.expect(plain(death.get("queue")), queue, "queue");
    Harness.expect(plain(death.get("original-expiration")), expiration, "original-expiration");
    Harness.expect(got.getProperties().getExpiration(), null, "expiration after dead-lettering");
    Harness.expect(Harness.ready(ch, queue), 0L, "left");
    ch.queueDelete(queue);
  }

  private static void priority(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "priority", false, Map.of("x-max-priority", 5));
    Integer[] priorities = {0, 5, 1, 3, 5, 9, null, 3};
    for (int n = 0; n < priorities.length; n++) {
      ch.basicPublish("", queue, new AMQP.BasicProperties.Builder().priority(priorities[n]).build(),
          Harness.bytes(String.valueOf(n)));
    }
    Harness.expect(String.join("", Harness.bodies(ch, queue, 8)), "14537206", "order");
    ch.queueDelete(queue);
  }

  private static void dropHead(Channel ch) throws Exception {
    String dead = Harness.anonymous(ch);
    String queue = Harness.queue(ch, "short", false,
        Map.of("x-max-length", 3, "x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead));
    for (String n : Harness.numbers(5)) {
      Harness.send(ch, "", queue, n);
    }
    List<Delivery> gone = Harness.take(ch, dead, 2, true);
    Harness.expect(shape(gone), List.of("0", "1"), "dropped");
    Harness.expect(plain(death(gone.get(0)).get("reason")), "maxlen", "reason");
    Harness.expect(Harness.bodies(ch, queue, 3), List.of("2", "3", "4"), "kept");
    ch.queueDelete(queue);
  }

  private static void rejectPublish(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "full", false, Map.of("x-max-length", 2, "x-overflow", "reject-publish"));
    ch.confirmSelect();
    // waitForConfirms may return between a nack's arrival and the client's note of it.
    BlockingQueue<Boolean> answers = new LinkedBlockingQueue<>();
    ch.addConfirmListener((tag, multiple) -> answers.add(true), (tag, multiple) -> answers.add(false));
    List<Boolean> outcome = new ArrayList<>();
    for (String n : Harness.numbers(4)) {
      Harness.send(ch, "", queue, n);
      outcome.add(answers.poll(Harness.WAIT, TimeUnit.SECONDS));
    }
    Harness.expect(outcome, List.of(true, true, false, false), "confirmed");
    Harness.expect(Harness.bodies(ch, queue, 2), List.of("0", "1"), "kept");
    Harness.send(ch, "", queue, "room again");
    Harness.expect(answers.poll(Harness.WAIT, TimeUnit.SECONDS), true, "room again");
    ch.queueDelete(queue);
  }

  private static void exclusive() throws Exception {
    String queue = Harness.unique("mine");
    Harness.connected(observer -> {
      Harness.connected(ch -> {
        ch.queueDeclare(queue, false, true, false, null);
        Failures.channelError(observer.getConnection(), 405, c -> c.basicGet(queue, true));
      });
      Failures.channelError(observer.getConnection(), 404, c -> c.queueDeclarePassive(queue));
    });
  }

  private static void autoDelete(Channel ch) throws Exception {
    String queue = Harness.unique("auto");
    ch.queueDeclare(queue, false, false, true, null);
    String one = ch.basicConsume(queue, true, (t, d) -> {}, t -> {});
    String two = ch.basicConsume(queue, true, (t, d) -> {}, t -> {});
    ch.basicCancel(one);
    Harness.ready(ch, queue);
    ch.basicCancel(two);
    Failures.channelError(ch.getConnection(), 404, c -> c.queueDeclarePassive(queue));
  }

  private static void serverNamed(Channel ch) throws Exception {
    String a = Harness.anonymous(ch);
    String b = Harness.anonymous(ch);
    Harness.check(a.startsWith("amq.gen-") && !a.equals(b), a + " " + b);
    String exchange = Harness.unique("last");
    ch.exchangeDeclare(exchange, "direct");
    ch.queueBind("", exchange, "k"); // the queue declared last
    Harness.send(ch, exchange, "k", "x");
    Harness.expect(Harness.bodies(ch, b, 1), List.of("x"), "through the last declared");
    ch.exchangeDelete(exchange);
  }

  private static void cancelNotify() throws Exception {
    Harness.connected(ch -> Harness.connected(other -> {
      String queue = Harness.queue(ch, "doomed", false, null);
      CountDownLatch cancelled = new CountDownLatch(1);
      ch.basicConsume(queue, true, (t, d) -> {}, t -> cancelled.countDown());
      other.queueDelete(queue);
      Harness.check(cancelled.await(Harness.WAIT, TimeUnit.SECONDS), "no basic.cancel");
      Harness.anonymous(ch); // the channel lives
    }));
  }

  private static void getPurgePassive(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "get", false, null);
    Harness.expect(ch.basicGet(queue, true), null, "get of an empty queue");
    for (String n : Harness.numbers(5)) {
      Harness.send(ch, "", queue, n);
    }
    GetResponse zero = ch.basicGet(queue, false);
    Harness.expect(new String(zero.getBody()) + " " + zero.getMessageCount() + zero.getEnvelope().isRedeliver(), "0 4false", "get");
    Harness.expect(new String(ch.basicGet(queue, true).getBody()), "1", "second get");
    AMQP.Queue.DeclareOk ok = ch.queueDeclarePassive(queue);
    Harness.expect(List.of(ok.getMessageCount(), ok.getConsumerCount()), List.of(3, 0), "passive");
    Harness.expect(ch.queuePurge(queue).getMessageCount(), 3, "purged");
    ch.basicNack(zero.getEnvelope().getDeliveryTag(), false, true);
    GetResponse again = ch.basicGet(queue, true);
    Harness.check(again != null && again.getEnvelope().isRedeliver(), "what was out during the purge and requeued is not there");
    Harness.expect(ch.queueDelete(queue).getMessageCount(), 0, "deleted");
  }

  private static void headers(Channel ch) throws Exception {
    String exchange = Harness.unique("headers");
    ch.exchangeDeclare(exchange, "headers");
    Map<String, String> queues = new HashMap<>();
    for (String match : List.of("all", "any")) {
      queues.put(match, Harness.anonymous(ch));
      ch.queueBind(queues.get(match), exchange, "", Map.of("x-match", match, "format", "pdf", "pages", 3));
    }
    Map<String, Object> both = Map.of("format", "pdf", "pages", 3, "more", true);
    List<Map<String, Object>> sent = List.of(both, Map.of("format", "pdf"), Map.of("format", "zip", "pages", 3),
        Map.of("format", "zip"), Map.of());
    for (int n = 0; n < sent.size(); n++) {
      ch.basicPublish(exchange, "", new AMQP.BasicProperties.Builder().headers(sent.get(n)).build(),
          Harness.bytes(String.valueOf(n)));
    }
    Harness.expect(Harness.bodies(ch, queues.get("all"), 1), List.of("0"), "all");
    Harness.expect(Harness.bodies(ch, queues.get("any"), 3), List.of("0", "1", "2"), "any");
    for (String q : queues.values()) {
      Harness.expect(Harness.ready(ch, q), 0L, "left");
    }
    ch.exchangeDelete(exchange);
  }
}
