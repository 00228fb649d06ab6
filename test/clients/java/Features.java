import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Delivery;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Extensions: dead letters, delays, who consumes first, transactions, streams, routing beyond one exchange, policies. */
final class Features {
  private Features() {}

  static void register() {
    Harness.onConnection("dead-letter-reasons", Features::deadLetterReasons);
    Harness.onConnection("dead-letter-cycle", Features::deadLetterCycle);
    Harness.onConnection("ttl-zero", Features::ttlZero);
    Harness.onConnection("delayed-retry", Features::delayedRetry);
    Harness.onConnection("delayed-message", Features::delayedMessage);
    Harness.onConnection("single-active-consumer", one -> Harness.connected(two -> singleActive(one, two)));
    Harness.onConnection("consumer-priority", Features::consumerPriority);
    Harness.onConnection("transaction", Features::transaction);
    Harness.onConnection("stream", Features::stream);
    Harness.onConnection("exchanges-and-alternates", Features::exchanges);
    Harness.onConnection("policy", Features::policy);
  }

  private static Map<String, Object> to(String queue, Object... more) {
    Map<String, Object> all = new HashMap<>(Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", queue));
    for (int i = 0; i < more.length; i += 2) {
      all.put((String) more[i], more[i + 1]);
    }
    return all;
  }

  private static List<String> deaths(Delivery d) {
    List<String> all = new ArrayList<>();
    Map<String, Object> headers = d.getProperties().getHeaders();
    if (headers != null && headers.get("x-death") instanceof List<?> list) {
      for (Object o : list) {
        Map<?, ?> death = (Map<?, ?>) o;
        all.add(death.get("queue") + " " + death.get("reason") + " " + death.get("count"));
      }
    }
    return all;
  }

  private static void eventually(String what, Callable<Boolean> ask) throws Exception {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(Harness.WAIT);
    while (!ask.call()) {
      Harness.check(System.nanoTime() < until, "in vain: " + what);
    }
  }

  private static long tag(Delivery d) {
    return d.getEnvelope().getDeliveryTag();
  }

  private static void deadLetterReasons(Channel ch) throws Exception {
    String dead = Harness.queue(ch, "dead", true, null);
    Map<String, Map<String, Object>> reasons = Map.of("rejected", to(dead), "expired", to(dead, "x-message-ttl", 50), "maxlen",
        to(dead, "x-max-length", 0), "delivery_limit", to(dead, "x-queue-type", "quorum", "x-delivery-limit", 0));
    for (String reason : reasons.keySet()) {
      String queue = Harness.queue(ch, reason, true, reasons.get(reason));
      Harness.send(ch, "", queue, reason);
      if (reason.equals("rejected") || reason.equals("delivery_limit")) {
        ch.basicReject(tag(Harness.take(ch, queue, 1, false).get(0)), reason.equals("delivery_limit"));
      }
      Harness.expect(deaths(Harness.take(ch, dead, 1, true).get(0)), List.of(queue + " " + reason + " 1"), "x-death");
      ch.queueDelete(queue);
    }
    ch.queueDelete(dead);
  }

  private static void deadLetterCycle(Channel ch) throws Exception {
    String one = Harness.unique("cycle");
    String two = Harness.unique("cycle");
    ch.queueDeclare(one, true, false, false, to(two, "x-message-ttl", 50));
    ch.queueDeclare(two, true, false, false, to(one, "x-message-ttl", 50));
    Harness.send(ch, "", one, "round");
    eventually("the end of the cycle", () -> Harness.ready(ch, one) + Harness.ready(ch, two) == 0);
    ch.queueDelete(one);
    ch.queueDelete(two);
  }

  private static void ttlZero(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "zero", true, null);
    AMQP.BasicProperties now = Harness.persistent().builder().expiration("0").build();
    ch.basicPublish("", queue, now, Harness.bytes("nobody"));
    eventually("the expiry", () -> Harness.ready(ch, queue) == 0);
    BlockingQueue<String> got = new LinkedBlockingQueue<>();
    ch.basicConsume(queue, true, (t, d) -> got.add(Harness.text(d)), t -> {});
    ch.basicPublish("", queue, now, Harness.bytes("somebody"));
    Harness.expect(got.poll(Harness.WAIT, TimeUnit.SECONDS), "somebody", "delivered");
    ch.queueDelete(queue);
  }

  private static void delayedRetry(Channel ch) throws Exception {
    String work = Harness.unique("work");
    String retry = Harness.unique("retry");
    ch.queueDeclare(work, true, false, false, to(retry));
    ch.queueDeclare(retry, true, false, false, to(work, "x-message-ttl", 200));
    Harness.send(ch, "", work, "stubborn");
    for (int attempt = 0; attempt < 4; attempt++) {
      long began = System.nanoTime();
      Delivery d = Harness.take(ch, work, 1, false).get(0);
      Harness.check(attempt == 0 || System.nanoTime() - began > 150_000_000L, "tried again too soon");
      Harness.expect(deaths(d), attempt == 0 ? List.of() : List.of(retry + " expired " + attempt, work + " rejected " + attempt), "x-death");
      ch.basicReject(tag(d), false);
    }
    ch.queueDelete(work);
    ch.queueDelete(retry);
  }

  /** The header works on every exchange, the default one included. */
  private static void delayedMessage(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "delayed", true, null);
    long began = System.nanoTime();
    for (int delay : new int[] {600, 0, 300}) {
      AMQP.BasicProperties later = Harness.persistent().builder().headers(Map.of("x-delay", delay)).build();
      ch.basicPublish("", queue, later, Harness.bytes(String.valueOf(delay)));
    }
    Harness.expect(Harness.bodies(ch, queue, 3), List.of("0", "300", "600"), "order of delays");
    Harness.check(System.nanoTime() - began > 550_000_000L, "delivered too soon");
    ch.queueDelete(queue);
  }

  private static void singleActive(Channel one, Channel two) throws Exception {
    String queue = Harness.queue(one, "single", true, Map.of("x-single-active-consumer", true));
    BlockingQueue<String> got = new LinkedBlockingQueue<>();
    String tag = one.basicConsume(queue, true, (t, d) -> got.add("one " + Harness.text(d)), t -> {});
    two.basicConsume(queue, true, (t, d) -> got.add("two " + Harness.text(d)), t -> {});
    for (int n = 0; n < 4; n++) {
      Harness.send(two, "", queue, String.valueOf(n));
      Harness.expect(got.poll(Harness.WAIT, TimeUnit.SECONDS), (n < 2 ? "one " : "two ") + n, "message");
      if (n == 1) {
        one.basicCancel(tag);
      }
    }
    two.queueDelete(queue);
  }

  private static void consumerPriority(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "preferred", true, null);
    ch.basicQos(2);
    BlockingQueue<String> got = new LinkedBlockingQueue<>();
    for (Map.Entry<String, Integer> c : Map.of("low", -1, "high", 10, "middle", 0).entrySet()) {
      ch.basicConsume(queue, false, "", false, false, Map.of("x-priority", c.getValue()), (t, d) -> got.add(Harness.text(d) + c.getKey()),
          t -> {});
    }
    List<String> all = new ArrayList<>();
    for (String n : Harness.numbers(5)) {
      Harness.send(ch, "", queue, n);
      all.add(got.poll(Harness.WAIT, TimeUnit.SECONDS));
    }
    Harness.expect(all, List.of("0high", "1high", "2middle", "3middle", "4low"), "who got what");
    ch.queueDelete(queue);
  }

  private static void transaction(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "tx", true, null);
    Harness.connected(observer -> {
      ch.txSelect();
      Harness.send(ch, "", queue, "undone");
      ch.txRollback();
      Harness.send(ch, "", queue, "done");
      Harness.expect(Harness.ready(observer, queue), 0L, "before the commit");
      ch.txCommit();
      Harness.expect(Harness.ready(observer, queue), 1L, "after it");
      Delivery d = Harness.take(ch, queue, 1, false).get(0);
      ch.basicAck(tag(d), false);
      ch.txRollback();
      ch.basicAck(tag(d), false);
      ch.txCommit();
      Harness.expect(observer.queueDelete(queue).getMessageCount(), 0, "left over");
    });
  }

  private static void stream(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "stream", true, Map.of("x-queue-type", "stream"));
    ch.confirmSelect();
    for (String n : Harness.numbers(10)) {
      Harness.send(ch, "", queue, n);
    }
    ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
    ch.basicQos(100);
    for (Object offset : new Object[] {"first", 6L, "first"}) {
      int first = offset instanceof Long n ? n.intValue() : 0;
      BlockingQueue<String> got = new LinkedBlockingQueue<>();
      String tag = ch.basicConsume(queue, false, Map.of("x-stream-offset", offset), (t, d) -> {
        got.add(Harness.text(d));
        ch.basicAck(tag(d), false);
      }, t -> {});
      for (int n = first; n < 10; n++) {
        Harness.expect(got.poll(Harness.WAIT, TimeUnit.SECONDS), String.valueOf(n), "from offset " + offset);
      }
      ch.basicCancel(tag);
    }
    ch.queueDelete(queue);
  }

  private static void exchanges(Channel ch) throws Exception {
    String rest = Harness.unique("rest");
    String inner = Harness.unique("inner");
    String outer = Harness.unique("outer");
    ch.exchangeDeclare(rest, BuiltinExchangeType.FANOUT);
    ch.exchangeDeclare(inner, BuiltinExchangeType.DIRECT, false, false, true, Map.of("alternate-exchange", rest));
    ch.exchangeDeclare(outer, BuiltinExchangeType.TOPIC);
    ch.exchangeBind(inner, outer, "a.*");
    String found = Harness.queue(ch, "found", true, null);
    String others = Harness.queue(ch, "others", true, null);
    ch.queueBind(found, inner, "a.b");
    ch.queueBind(others, rest, "");
    for (String key : List.of("a.b", "a.c", "b.a")) {
      Harness.send(ch, outer, key, key);
    }
    Harness.expect(Harness.bodies(ch, found, 1), List.of("a.b"), "bound");
    Harness.expect(Harness.bodies(ch, others, 1), List.of("a.c"), "alternate");
    ch.exchangeUnbind(inner, outer, "a.*");
    Harness.send(ch, outer, "a.b", "nowhere");
    Harness.expect(Harness.ready(ch, found), 0L, "unbound");
    for (String queue : List.of(found, others)) {
      ch.queueDelete(queue);
    }
    for (String exchange : List.of(outer, inner, rest)) {
      ch.exchangeDelete(exchange);
    }
  }

  private static void policy(Channel ch) throws Exception {
    String queue = Harness.queue(ch, "governed", true, null);
    String path = "/api/policies/%2F/" + queue;
    http("PUT", path, "{\"pattern\":\"^" + queue.replace(".", "[.]") + "$\",\"apply-to\":\"queues\",\"definition\":{\"max-length\":3}}");
    eventually("the policy at work", () -> {
      Harness.send(ch, "", queue, "x");
      return Harness.ready(ch, queue) == 3;
    });
    for (int n = 0; n < 10; n++) {
      Harness.send(ch, "", queue, "x");
    }
    Harness.expect(Harness.ready(ch, queue), 3L, "under the policy");
    http("DELETE", path, "");
    eventually("the end of the policy", () -> {
      Harness.send(ch, "", queue, "x");
      return Harness.ready(ch, queue) > 3;
    });
    ch.queueDelete(queue);
  }

  private static void http(String method, String path, String body) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("CLIENTS_HTTP") + path))
        .method(method, HttpRequest.BodyPublishers.ofString(body)).timeout(Duration.ofSeconds(Harness.WAIT))
        .header("Content-Type", "application/json")
        .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(Harness.bytes("guest:guest"))).build();
    HttpResponse<String> answer = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build().send(
        request, HttpResponse.BodyHandlers.ofString());
    Harness.check(answer.statusCode() < 300, method + " " + path + ": " + answer.statusCode() + " " + answer.body());
  }
}
