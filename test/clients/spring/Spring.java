import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.springframework.amqp.AmqpRejectAndDontRequeueException;
import org.springframework.amqp.core.Binding;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageBuilder;
import org.springframework.amqp.core.MessageListener;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.TopicExchange;
import org.springframework.amqp.rabbit.batch.SimpleBatchingStrategy;
import org.springframework.amqp.rabbit.config.RetryInterceptorBuilder;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.BatchingRabbitTemplate;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.AbstractMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.adapter.MessageListenerAdapter;
import org.springframework.amqp.rabbit.retry.RejectAndDontRequeueRecoverer;
import org.springframework.context.support.GenericApplicationContext;
import org.springframework.amqp.rabbit.transaction.RabbitTransactionManager;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.transaction.support.TransactionTemplate;

/** Scenarios of Spring AMQP against the broker at CLIENTS_AMQP. */
final class Spring {
  interface Body {
    void run(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception;
  }

  private Spring() {}

  public static void main(String[] arguments) {
    Harness.client = "spring";
    on("admin-declares", Spring::adminDeclares);
    on("confirms-and-returns", Spring::confirmsAndReturns);
    on("listener-dead-letters", Spring::listener);
    on("retry-then-reject", Spring::retry);
    on("rpc", Spring::rpc);
    on("batches", Spring::batches);
    on("transaction", Spring::transaction);
    on("recovery-killed-connection", Spring::recovery);
    System.exit(Harness.runAll());
  }

  private static void on(String name, Body body) {
    Harness.scenario(name, () -> {
      CachingConnectionFactory factory = new CachingConnectionFactory(URI.create(System.getenv("CLIENTS_AMQP") + "/%2F"));
      factory.setPublisherConfirmType(ConfirmType.CORRELATED);
      factory.setPublisherReturns(true);
      factory.setConnectionNameStrategy(f -> Harness.unique(name));
      RabbitAdmin admin = new RabbitAdmin(factory);
      try {
        body.run(factory, admin);
      } finally {
        factory.destroy();
      }
    });
  }

  private static String text(Message m) {
    return new String(m.getBody());
  }

  private static AbstractMessageListenerContainer start(AbstractMessageListenerContainer container, String queue, MessageListener listener) {
    container.setQueueNames(queue);
    container.setMessageListener(listener);
    container.afterPropertiesSet();
    container.start();
    return container;
  }

  private static <T> T next(BlockingQueue<T> from, String what) throws Exception {
    T got = from.poll(Harness.WAIT, TimeUnit.SECONDS);
    Harness.check(got != null, "no " + what);
    return got;
  }

  private static void adminDeclares(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception {
    TopicExchange exchange = new TopicExchange(Harness.unique("exchange"));
    Queue queue = QueueBuilder.durable(Harness.unique("queue")).maxLength(10L).ttl(60_000).quorum().build();
    for (int twice = 0; twice < 2; twice++) {
      admin.declareExchange(exchange);
      admin.declareQueue(queue);
      admin.declareBinding(BindingBuilder.bind(queue).to(exchange).with("a.#"));
    }
    Harness.expect(admin.getQueueInfo(queue.getName()).getMessageCount(), 0, "messages");
    Harness.check(admin.getQueueInfo(Harness.unique("missing")) == null, "information about a missing queue");
    RabbitTemplate template = new RabbitTemplate(factory);
    template.convertAndSend(exchange.getName(), "a.b", "hello", m -> {
      m.getMessageProperties().setHeader("n", 1);
      return m;
    });
    Message got = template.receive(queue.getName(), Harness.WAIT * 1000L);
    Harness.expect(text(got) + got.getMessageProperties().getHeader("n"), "hello1", "message");
    admin.removeBinding(new Binding(queue.getName(), Binding.DestinationType.QUEUE, exchange.getName(), "a.#", null));
    admin.purgeQueue(queue.getName());
    Harness.check(admin.deleteQueue(queue.getName()) && admin.deleteExchange(exchange.getName()), "deletion");
  }

  private static void confirmsAndReturns(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception {
    RabbitTemplate template = new RabbitTemplate(factory);
    template.setMandatory(true);
    BlockingQueue<String> returned = new LinkedBlockingQueue<>();
    template.setReturnsCallback(r -> returned.add(r.getReplyCode() + " " + text(r.getMessage())));
    Queue full = QueueBuilder.durable(Harness.unique("full")).maxLength(1L).overflow(QueueBuilder.Overflow.rejectPublish).build();
    admin.declareQueue(full);
    for (String[] expected : new String[][] {{full.getName(), "true", null}, {full.getName(), "false", null}, {"nowhere", "true", "312 x"}}) {
      CorrelationData correlation = new CorrelationData(Harness.unique("correlation"));
      template.convertAndSend("", expected[0], "x", correlation);
      Harness.expect(correlation.getFuture().get(Harness.WAIT, TimeUnit.SECONDS).isAck(), Boolean.valueOf(expected[1]), "ack");
      if (expected[2] != null) {
        Harness.expect(next(returned, "return"), expected[2], "return");
        Harness.check(correlation.getReturned() != null, "the return comes before the confirm");
      }
    }
    admin.deleteQueue(full.getName());
  }

  private static void listener(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception {
    Queue dead = new Queue(Harness.unique("dead"));
    Queue queue = QueueBuilder.durable(Harness.unique("listened")).deadLetterExchange("").deadLetterRoutingKey(dead.getName()).build();
    admin.declareQueue(dead);
    admin.declareQueue(queue);
    RabbitTemplate template = new RabbitTemplate(factory);
    for (AbstractMessageListenerContainer container : List.of(new SimpleMessageListenerContainer(factory), new DirectMessageListenerContainer(factory))) {
      CountDownLatch good = new CountDownLatch(20);
      start(container, queue.getName(), m -> {
        if (text(m).startsWith("bad")) {
          throw new AmqpRejectAndDontRequeueException("as planned");
        }
        good.countDown();
      });
      for (int n = 0; n < 20; n++) {
        template.convertAndSend("", queue.getName(), "good " + n);
      }
      template.convertAndSend("", queue.getName(), "bad");
      Harness.check(good.await(Harness.WAIT, TimeUnit.SECONDS), "messages are missing");
      Message buried = template.receive(dead.getName(), Harness.WAIT * 1000L);
      Map<String, ?> death = buried.getMessageProperties().getXDeathHeader().get(0);
      Harness.expect(death.get("reason") + " " + death.get("queue") + " " + death.get("count"), "rejected " + queue.getName() + " 1", "x-death");
      container.stop();
    }
    Harness.expect(admin.getQueueInfo(queue.getName()).getMessageCount(), 0, "messages left");
    admin.deleteQueue(queue.getName());
    admin.deleteQueue(dead.getName());
  }

  private static void retry(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception {
    Queue dead = new Queue(Harness.unique("dead"));
    Queue queue = QueueBuilder.durable(Harness.unique("retried")).deadLetterExchange("").deadLetterRoutingKey(dead.getName()).build();
    admin.declareQueue(dead);
    admin.declareQueue(queue);
    BlockingQueue<String> attempts = new LinkedBlockingQueue<>();
    SimpleMessageListenerContainer container = new SimpleMessageListenerContainer(factory);
    container.setAdviceChain(RetryInterceptorBuilder.stateless().maxAttempts(3).backOffOptions(10, 1, 10)
        .recoverer(new RejectAndDontRequeueRecoverer()).build());
    start(container, queue.getName(), m -> {
      attempts.add(text(m));
      throw new IllegalStateException("as planned");
    });
    RabbitTemplate template = new RabbitTemplate(factory);
    template.convertAndSend("", queue.getName(), "stubborn");
    Harness.expect(text(template.receive(dead.getName(), Harness.WAIT * 1000L)), "stubborn", "dead letter");
    Harness.expect(attempts.size(), 3, "attempts");
    container.stop();
    admin.deleteQueue(queue.getName());
    admin.deleteQueue(dead.getName());
  }

  private static void rpc(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception {
    Queue queue = new Queue(Harness.unique("rpc"), false, false, true);
    admin.declareQueue(queue);
    MessageListenerAdapter adapter = new MessageListenerAdapter(new Object() {
      @SuppressWarnings("unused")
      public String handleMessage(String request) {
        return request.toUpperCase();
      }
    });
    AbstractMessageListenerContainer server = start(new DirectMessageListenerContainer(factory), queue.getName(), adapter);
    RabbitTemplate direct = new RabbitTemplate(factory); // amq.rabbitmq.reply-to
    direct.setReplyTimeout(Harness.WAIT * 1000L);
    RabbitTemplate temporary = new RabbitTemplate(factory);
    temporary.setReplyTimeout(Harness.WAIT * 1000L);
    temporary.setUseTemporaryReplyQueues(true);
    for (int n = 0; n < 20; n++) {
      Harness.expect(direct.convertSendAndReceive("", queue.getName(), "direct " + n), "DIRECT " + n, "direct reply-to");
    }
    Harness.expect(temporary.convertSendAndReceive("", queue.getName(), "queue"), "QUEUE", "reply to a temporary queue");
    server.stop();
    direct.stop();
  }

  private static void batches(CachingConnectionFactory factory, RabbitAdmin admin) throws Exception {
    Queue queue = new Queue(Harness.unique("batches"));
    admin.declareQueue(queue);
    ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
    scheduler.initialize();
    BatchingRabbitTemplate template = new BatchingRabbitTemplate(new SimpleBatchingStrategy(5, 100_000, 60_000), scheduler);
    template.setConnectionFactory(factory);
    BlockingQueue<String> got = new LinkedBlockingQueue<>();
    AbstractMessageListenerContainer container = start(new SimpleMessageListenerContainer(factory), queue.getName(), m -> got.add(text(m)));
    for (int n = 0; n < 20; n++) {
      template.send("", queue.getName(), MessageBuilder.withBody(Harness.bytes(String.valueOf(n))).build());
    }
    for (int n = 0; n < 20; n++) {
      Harness.expect(next(got, "message of a batch"), String.valueOf(n), "order");
    }
    container.stop();
    scheduler.shutdown();
    admin.deleteQueue(queue.getName());
  }

  private static void transaction(CachingConnectionFactory confirming, RabbitAdmin admin) throws Exception {
    Queue queue = new Queue(Harness.unique("tx"));
    admin.declareQueue(queue);
    CachingConnectionFactory factory = new CachingConnectionFactory(URI.create(System.getenv("CLIENTS_AMQP") + "/%2F"));
    RabbitTemplate template = new RabbitTemplate(factory);
    template.setChannelTransacted(true);
    TransactionTemplate transaction = new TransactionTemplate(new RabbitTransactionManager(factory));
    transaction.executeWithoutResult(status -> {
      template.convertAndSend("", queue.getName(), "undone");
      status.setRollbackOnly();
    });
    transaction.executeWithoutResult(status -> {
      template.convertAndSend("", queue.getName(), "done");
      template.convertAndSend("", queue.getName(), "done too");
      Harness.expect(admin.getQueueInfo(queue.getName()).getMessageCount(), 0, "messages before the commit");
    });
    transaction.executeWithoutResult(status -> {
      Harness.expect(text(template.receive(queue.getName(), Harness.WAIT * 1000L)), "done", "committed");
      status.setRollbackOnly();
    });
    for (String body : List.of("done", "done too")) {
      Harness.expect(text(template.receive(queue.getName(), Harness.WAIT * 1000L)), body, "given back by the rollback");
    }
    factory.destroy();
    admin.deleteQueue(queue.getName());
  }

  /** The administrator closes the connection; the container comes back, and its auto-delete queue is declared again. */
  private static void recovery(CachingConnectionFactory factory, RabbitAdmin unused) throws Exception {
    String queue = Harness.unique("recovered");
    String name = Harness.unique("spring-killed");
    factory.setConnectionNameStrategy(f -> name);
    try (GenericApplicationContext context = new GenericApplicationContext()) {
      context.registerBean("queue", Queue.class, () -> new Queue(queue, false, false, true));
      context.registerBean("admin", RabbitAdmin.class, () -> new RabbitAdmin(factory));
      context.refresh();
      BlockingQueue<String> got = new LinkedBlockingQueue<>();
      SimpleMessageListenerContainer container = new SimpleMessageListenerContainer(factory);
      container.setAmqpAdmin(context.getBean(RabbitAdmin.class));
      container.setApplicationContext(context);
      container.setRecoveryInterval(100);
      start(container, queue, m -> got.add(text(m)));
      CachingConnectionFactory other = new CachingConnectionFactory(URI.create(System.getenv("CLIENTS_AMQP") + "/%2F"));
      RabbitTemplate template = new RabbitTemplate(other);
      template.setMandatory(true);
      for (int n = 0; n < 3; n++) {
        String body = String.valueOf(n);
        String arrived = null;
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(Harness.WAIT);
        while (!body.equals(arrived) && System.nanoTime() < until) { // what is sent before the queue is back is returned
          template.convertAndSend("", queue, body);
          arrived = got.poll(100, TimeUnit.MILLISECONDS);
        }
        Harness.expect(arrived, body, "after " + n + " ends");
        kill(name);
      }
      container.stop();
      other.destroy();
    }
  }

  private static String http(String method, String path) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("CLIENTS_HTTP") + path))
        .method(method, HttpRequest.BodyPublishers.noBody()).timeout(Duration.ofSeconds(Harness.WAIT))
        .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(Harness.bytes("guest:guest"))).build();
    HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    Harness.check(answer.statusCode() < 300, method + " " + path + ": " + answer.statusCode());
    return answer.body();
  }

  /** Closes the one connection that gave itself this name. Its listing is found by the name of every connection in turn. */
  private static void kill(String name) throws Exception {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(Harness.WAIT);
    while (System.nanoTime() < until) {
      Matcher listed = Pattern.compile("\"name\":\"([^\"]+ -[^\"]+)\"").matcher(http("GET", "/api/connections?columns=name"));
      while (listed.find()) {
        String path = "/api/connections/" + listed.group(1).replace("\\u003e", ">").replace(" ", "%20").replace(">", "%3E").replace(":", "%3A");
        if (http("GET", path).contains("\"connection_name\":\"" + name + "\"")) {
          http("DELETE", path);
          return;
        }
      }
      TimeUnit.MILLISECONDS.sleep(50);
    }
    throw new AssertionError("no connection " + name);
  }
}
