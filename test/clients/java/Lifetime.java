import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Connections over time: heartbeats, idleness, TLS, restarts and crashes of the broker. */
final class Lifetime {
  private static final int HEARTBEAT_SECONDS = 1;
  private static final int IDLE_SECONDS = 20;

  private Lifetime() {}

  static void register() {
    // In the background of the other scenarios.
    CompletableFuture<Void> idle = CompletableFuture.runAsync(() -> {
      try {
        Harness.connected(ch -> stillWorksAfter(ch, IDLE_SECONDS));
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    });
    Harness.scenario("heartbeat", () -> {
      ConnectionFactory f = Harness.factory();
      f.setRequestedHeartbeat(HEARTBEAT_SECONDS);
      // Either side would have given up on a silent peer by then.
      Harness.connected(f, ch -> stillWorksAfter(ch, 4 * HEARTBEAT_SECONDS));
    });
    Harness.scenario("tls", Lifetime::tls);
    Harness.scenario("recovery", Lifetime::recovery);
    Harness.scenario("recovery-automatic", Lifetime::automaticRecovery);
    Harness.scenario("crash-backlog", () -> crash(false));
    Harness.scenario("crash-consuming", () -> crash(true));
    Harness.scenario("idle-20s", () -> idle.get(IDLE_SECONDS + Harness.WAIT, TimeUnit.SECONDS));
  }

  private static void stillWorksAfter(Channel ch, int seconds) throws Exception {
    TimeUnit.SECONDS.sleep(seconds);
    String queue = Harness.anonymous(ch);
    Harness.send(ch, "", queue, "awake");
    Harness.expect(Harness.bodies(ch, queue, 1), List.of("awake"), "after the pause");
  }

  private static void tls() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream in = new FileInputStream(System.getenv("CLIENTS_CA"))) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    ConnectionFactory f = Harness.factory(System.getenv("CLIENTS_AMQPS").replace("127.0.0.1", "localhost") + "/%2F");
    f.useSslProtocol(context);
    f.enableHostnameVerification();
    Harness.connected(f, ch -> {
      byte[] body = new byte[1 << 20];
      new Random(7).nextBytes(body);
      String queue = Harness.anonymous(ch);
      ch.basicPublish("", queue, null, body);
      Harness.check(Arrays.equals(Harness.take(ch, queue, 1, true).get(0).getBody(), body), "body over TLS");
    });
  }

  private static void recovery() throws Exception {
    try (Harness.Broker broker = new Harness.Broker()) {
      Connection connection = Harness.factory(broker.url).newConnection();
      CompletableFuture<Throwable> closed = new CompletableFuture<>();
      connection.addShutdownListener(closed::complete);
      Channel ch = connection.createChannel();
      String queue = Harness.queue(ch, "kept", true, null);
      ch.queueDeclare("transient", false, false, false, null);
      ch.confirmSelect();
      for (String n : Harness.numbers(100)) {
        ch.basicPublish("", queue, Harness.persistent(), Harness.bytes(n));
      }
      ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
      broker.terminate();
      Harness.expect(Harness.code(closed.get(Harness.WAIT, TimeUnit.SECONDS)), 320, "reply code at shutdown");
      broker.start();
      Harness.connected(Harness.factory(broker.url), again -> {
        Harness.expect(Harness.ready(again, queue), 100L, "kept");
        Harness.expect(Harness.bodies(again, queue, 100), Harness.numbers(100), "order");
        Failures.channelError(again.getConnection(), 404, c -> c.queueDeclarePassive("transient"));
      });
    }
  }

  /** The client reconnects by itself and declares its topology and consumers again. */
  private static void automaticRecovery() throws Exception {
    try (Harness.Broker broker = new Harness.Broker()) {
      ConnectionFactory f = Harness.factory(broker.url);
      f.setAutomaticRecoveryEnabled(true);
      f.setNetworkRecoveryInterval(50);
      Connection connection = f.newConnection();
      CountDownLatch recovered = new CountDownLatch(1);
      ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
        @Override
        public void handleRecovery(Recoverable r) {
          recovered.countDown();
        }

        @Override
        public void handleRecoveryStarted(Recoverable r) {}
      });
      Channel ch = connection.createChannel();
      String exchange = Harness.unique("recovered");
      ch.exchangeDeclare(exchange, "fanout");
      String queue = Harness.anonymous(ch);
      ch.queueBind(queue, exchange, "");
      BlockingQueue<Delivery> got = new LinkedBlockingQueue<>();
      ch.basicConsume(queue, true, (t, d) -> got.add(d), t -> {});
      Harness.send(ch, exchange, "", "before");
      Harness.expect(Harness.text(got.poll(Harness.WAIT, TimeUnit.SECONDS)), "before", "before");
      broker.kill();
      broker.start();
      Harness.check(recovered.await(Harness.WAIT, TimeUnit.SECONDS), "not recovered");
      Harness.send(ch, exchange, "", "after");
      Delivery d = got.poll(Harness.WAIT, TimeUnit.SECONDS);
      Harness.check(d != null && Harness.text(d).equals("after"), "nothing after the recovery");
      connection.close();
    }
  }

  /** Publishes numbered messages, at most 1000 unconfirmed, until the connection goes. */
  private static final class Stream extends Thread {
    final Set<Long> confirmed = Collections.synchronizedSet(new HashSet<>());
    final AtomicInteger sent = new AtomicInteger();
    final CountDownLatch reached = new CountDownLatch(3000);
    private final ConcurrentSkipListSet<Long> open = new ConcurrentSkipListSet<>();
    private final Semaphore window = new Semaphore(1000);
    private final Channel channel;
    private final String queue;

    Stream(String url, String queue) throws Exception {
      this.queue = queue;
      channel = Harness.factory(url).newConnection().createChannel();
      channel.confirmSelect();
      channel.addConfirmListener((tag, multiple) -> settle(multiple ? open.headSet(tag, true) : open.subSet(tag, true, tag, true)),
          (tag, multiple) -> {});
      start();
    }

    private void settle(Set<Long> tags) {
      List<Long> list = new ArrayList<>(tags);
      confirmed.addAll(list);
      tags.clear();
      list.forEach(t -> reached.countDown());
      window.release(list.size());
    }

    @Override
    public void run() {
      try {
        while (window.tryAcquire(Harness.WAIT, TimeUnit.SECONDS)) {
          open.add(channel.getNextPublishSeqNo());
          channel.basicPublish("", queue, Harness.persistent(), Harness.bytes(String.valueOf(sent.incrementAndGet())));
        }
      } catch (Exception e) {
        return; // the broker is gone
      }
    }
  }

  private record Got(String body, boolean redelivered) {}

  /** Consumes and acknowledges in groups until "end" comes or the connection goes. */
  private static final class Drain {
    final List<Got> got = Collections.synchronizedList(new ArrayList<>());
    final CountDownLatch done = new CountDownLatch(1);
    final Connection connection;

    Drain(String url, String queue) throws Exception {
      connection = Harness.factory(url).newConnection();
      connection.addShutdownListener(e -> done.countDown());
      Channel ch = connection.createChannel();
      ch.basicQos(200);
      ch.basicConsume(queue, false, (tag, d) -> {
        String body = Harness.text(d);
        got.add(new Got(body, d.getEnvelope().isRedeliver()));
        if (got.size() % 10 == 0 || body.equals("end")) {
          ch.basicAck(d.getEnvelope().getDeliveryTag(), true);
        }
        if (body.equals("end")) {
          done.countDown();
        }
      }, tag -> {});
    }
  }

  /** Every confirmed message came, in order, at most again and then marked so, and none that was not sent. */
  private static void check(Set<Long> confirmed, int sent, List<List<Got>> parts) {
    Set<Long> seen = new HashSet<>();
    for (List<Got> part : parts) {
      long last = 0;
      for (Got g : part) {
        if (g.body.equals("end")) {
          continue;
        }
        long n = Long.parseLong(g.body);
        Harness.check(n >= 1 && n <= sent, "message " + n + " was never sent");
        if (seen.add(n)) {
          Harness.check(n > last, "message " + n + " came after " + last);
          last = n;
        } else {
          Harness.check(g.redelivered, "message " + n + " came twice, the second time not marked as redelivered");
        }
      }
    }
    Set<Long> missing = new HashSet<>(confirmed);
    missing.removeAll(seen);
    Harness.check(missing.isEmpty(), missing.size() + " of " + confirmed.size() + " confirmed messages are lost");
  }

  private static void crash(boolean consuming) throws Exception {
    try (Harness.Broker broker = new Harness.Broker()) {
      String queue = Harness.unique("crash");
      Harness.connected(Harness.factory(broker.url), ch -> ch.queueDeclare(queue, true, false, false, null));
      Drain before = consuming ? new Drain(broker.url, queue) : null;
      Stream stream = new Stream(broker.url, queue);
      Harness.check(stream.reached.await(Harness.WAIT, TimeUnit.SECONDS), "no 3000 confirms");
      broker.kill();
      stream.join(2000L * Harness.WAIT);
      if (before != null) {
        Harness.check(before.done.await(Harness.WAIT, TimeUnit.SECONDS), "the consumer does not notice");
      }
      broker.start();
      Harness.connected(Harness.factory(broker.url), ch -> {
        ch.confirmSelect();
        ch.basicPublish("", queue, Harness.persistent(), Harness.bytes("end"));
        ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
      });
      Drain rest = new Drain(broker.url, queue);
      Harness.check(rest.done.await(Harness.WAIT, TimeUnit.SECONDS), "the rest did not come");
      rest.connection.close(Harness.WAIT * 1000);
      check(stream.confirmed, stream.sent.get(), List.of(before == null ? List.of() : before.got, rest.got));
    }
  }
}
