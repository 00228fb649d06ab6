import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.DeliverCallback;
import com.rabbitmq.client.Delivery;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The seven RabbitMQ tutorials. */
final class Tutorials {
  private Tutorials() {}

  static void register() {
    Harness.onConnection("hello", ch -> {
      String queue = Harness.queue(ch, "hello", false, null);
      Harness.send(ch, "", queue, "Hello World!");
      Harness.expect(Harness.bodies(ch, queue, 1), List.of("Hello World!"), "body");
      ch.queueDelete(queue);
    });
    Harness.scenario("work-queues", Tutorials::workQueues);
    Harness.onConnection("publish-subscribe", Tutorials::publishSubscribe);
    Harness.onConnection("routing", Tutorials::routing);
    Harness.onConnection("topics", Tutorials::topics);
    Harness.scenario("rpc-exclusive-queue", () -> rpc(false));
    Harness.scenario("rpc-direct-reply-to", () -> rpc(true));
    Harness.onConnection("confirms-individual", ch -> confirms(ch, 100, 1));
    Harness.onConnection("confirms-batch", ch -> confirms(ch, 2000, 100));
    Harness.onConnection("confirms-async", Tutorials::asynchronous);
  }

  private static BlockingQueue<Delivery> worker(Channel ch, String queue) throws Exception {
    BlockingQueue<Delivery> tasks = new LinkedBlockingQueue<>();
    ch.basicQos(1);
    ch.basicConsume(queue, false, (tag, d) -> tasks.add(d), tag -> {});
    return tasks;
  }

  private static Delivery next(BlockingQueue<Delivery> tasks) throws Exception {
    Delivery d = tasks.poll(Harness.WAIT, TimeUnit.SECONDS);
    Harness.check(d != null, "no task came");
    return d;
  }

  private static void ack(Channel ch, Delivery d) throws Exception {
    ch.basicAck(d.getEnvelope().getDeliveryTag(), false);
  }

  private static void workQueues() throws Exception {
    Harness.connected(publisher -> Harness.connected(one -> Harness.connected(two -> {
      String queue = Harness.queue(publisher, "work", true, null);
      for (String n : Harness.numbers(4)) {
        publisher.basicPublish("", queue, Harness.persistent(), Harness.bytes(n));
      }
      Harness.ready(publisher, queue);
      // With a prefetch of one, neither worker gets a second message before it has acknowledged its first.
      BlockingQueue<Delivery> first = worker(one, queue);
      BlockingQueue<Delivery> second = worker(two, queue);
      Delivery a = next(first);
      Delivery b = next(second);
      Harness.expect(Set.of(Harness.text(a), Harness.text(b)), Set.of("0", "1"), "the first of each worker");
      Harness.expect(Harness.ready(publisher, queue), 2L, "ready while two are out");
      ack(one, a);
      Delivery c = next(first);
      Harness.expect(Harness.text(c), "2", "after the first ack");
      ack(two, b);
      Delivery d = next(second);
      Harness.expect(Harness.text(d), "3", "for the worker that is free");
      ack(one, c);
      ack(two, d);
      publisher.queueDelete(queue);
    })));
  }

  private static void publishSubscribe(Channel ch) throws Exception {
    String exchange = Harness.unique("logs");
    ch.exchangeDeclare(exchange, "fanout");
    List<String> queues = List.of(Harness.anonymous(ch), Harness.anonymous(ch), Harness.anonymous(ch));
    for (String q : queues) {
      ch.queueBind(q, exchange, "");
    }
    Harness.send(ch, exchange, "ignored", "to all");
    for (String q : queues) {
      Harness.expect(Harness.bodies(ch, q, 1), List.of("to all"), q);
    }
    ch.exchangeDelete(exchange);
  }

  private static void routing(Channel ch) throws Exception {
    String exchange = Harness.unique("direct");
    ch.exchangeDeclare(exchange, "direct");
    String errors = Harness.anonymous(ch);
    String every = Harness.anonymous(ch);
    ch.queueBind(errors, exchange, "error");
    for (String severity : List.of("info", "warning", "error")) {
      ch.queueBind(every, exchange, severity);
    }
    for (String severity : List.of("info", "warning", "error", "debug")) {
      Harness.send(ch, exchange, severity, severity);
    }
    Harness.expect(Harness.bodies(ch, every, 3), List.of("info", "warning", "error"), "three bindings");
    Harness.expect(Harness.bodies(ch, errors, 1), List.of("error"), "one binding");
    ch.queueUnbind(every, exchange, "info");
    Harness.send(ch, exchange, "info", "x");
    Harness.expect(Harness.ready(ch, every), 0L, "after unbind");
    ch.exchangeDelete(exchange);
  }

  private static void topics(Channel ch) throws Exception {
    String exchange = Harness.unique("topic");
    ch.exchangeDeclare(exchange, "topic");
    List<String> keys = List.of("quick.orange.rabbit", "lazy.orange.elephant", "lazy", "lazy.a.b.c.d", "orange", "");
    Map<String, List<String>> wanted = Map.of("*.orange.*", keys.subList(0, 2), "*.*.rabbit", keys.subList(0, 1),
        "lazy.#", keys.subList(1, 4), "#", keys);
    Map<String, String> queues = new HashMap<>();
    for (String pattern : wanted.keySet()) {
      queues.put(pattern, Harness.anonymous(ch));
      ch.queueBind(queues.get(pattern), exchange, pattern);
    }
    for (String key : keys) {
      Harness.send(ch, exchange, key, key);
    }
    for (Map.Entry<String, List<String>> e : wanted.entrySet()) {
      String queue = queues.get(e.getKey());
      Harness.expect(Harness.bodies(ch, queue, e.getValue().size()), e.getValue(), e.getKey());
      Harness.expect(Harness.ready(ch, queue), 0L, e.getKey());
    }
    ch.exchangeDelete(exchange);
  }

  private static int fib(int n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
  }

  private static void rpc(boolean direct) throws Exception {
    Harness.connected(server -> Harness.connected(client -> {
      String queue = Harness.queue(server, "rpc", false, null);
      server.basicQos(1);
      DeliverCallback serve = (tag, d) -> {
        AMQP.BasicProperties reply = new AMQP.BasicProperties.Builder()
            .correlationId(d.getProperties().getCorrelationId()).build();
        server.basicPublish("", d.getProperties().getReplyTo(), reply,
            Harness.bytes(String.valueOf(fib(Integer.parseInt(Harness.text(d))))));
        server.basicAck(d.getEnvelope().getDeliveryTag(), false);
      };
      server.basicConsume(queue, false, serve, tag -> {});
      String replyTo = direct ? "amq.rabbitmq.reply-to" : Harness.anonymous(client);
      Map<String, CompletableFuture<String>> pending = new ConcurrentHashMap<>();
      client.basicConsume(replyTo, true,
          (tag, d) -> pending.get(d.getProperties().getCorrelationId()).complete(Harness.text(d)), tag -> {});
      Map<Integer, String> wanted = Map.of(1, "1", 5, "5", 10, "55", 12, "144", 15, "610");
      for (int n : wanted.keySet()) {
        pending.put("id-" + n, new CompletableFuture<>());
        client.basicPublish("", queue, new AMQP.BasicProperties.Builder().replyTo(replyTo).correlationId("id-" + n).build(),
            Harness.bytes(String.valueOf(n)));
      }
      for (int n : wanted.keySet()) {
        Harness.expect(pending.get("id-" + n).get(Harness.WAIT, TimeUnit.SECONDS), wanted.get(n), "fib " + n);
      }
      client.queueDelete(queue);
    }));
  }

  private static void confirms(Channel ch, int count, int batch) throws Exception {
    String queue = Harness.queue(ch, "confirm", true, null);
    ch.confirmSelect();
    for (int n = 0; n < count; n++) {
      ch.basicPublish("", queue, Harness.persistent(), Harness.bytes(String.valueOf(n)));
      if (n % batch == batch - 1) {
        ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
      }
    }
    Harness.expect(Harness.bodies(ch, queue, count), Harness.numbers(count), "order");
    ch.queueDelete(queue);
  }

  private static void asynchronous(Channel ch) throws Exception {
    int count = 5000;
    String queue = Harness.queue(ch, "confirm", true, null);
    ConcurrentSkipListSet<Long> outstanding = new ConcurrentSkipListSet<>();
    AtomicInteger nacks = new AtomicInteger();
    CountDownLatch all = new CountDownLatch(count);
    ch.confirmSelect();
    ch.addConfirmListener((tag, multiple) -> {
      if (multiple) {
        var settled = outstanding.headSet(tag, true);
        settled.forEach(t -> all.countDown());
        settled.clear();
      } else if (outstanding.remove(tag)) {
        all.countDown();
      }
    }, (tag, multiple) -> nacks.incrementAndGet());
    for (int n = 0; n < count; n++) {
      outstanding.add(ch.getNextPublishSeqNo());
      ch.basicPublish("", queue, Harness.persistent(), Harness.bytes(String.valueOf(n)));
    }
    Harness.check(all.await(Harness.WAIT, TimeUnit.SECONDS), all.getCount() + " of " + count + " not confirmed");
    Harness.expect(nacks.get(), 0, "nacks");
    Harness.expect(Harness.bodies(ch, queue, count), Harness.numbers(count), "order");
    ch.queueDelete(queue);
  }
}
