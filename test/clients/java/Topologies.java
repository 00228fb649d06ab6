import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What frameworks of other languages declare, and a message's way through it. */
final class Topologies {
  /** Delays are sums of powers of two seconds, as many as this. */
  private static final int DELAY_LEVELS = 28;

  private Topologies() {}

  static void register() {
    Harness.onConnection("masstransit-topology", Topologies::massTransit);
    Harness.onConnection("nservicebus-delay-topology", Topologies::nServiceBus);
  }

  private static void durable(Channel ch, String exchange, BuiltinExchangeType type) throws Exception {
    ch.exchangeDeclare(exchange, type, true, false, null);
  }

  /** An endpoint of MassTransit: a durable fanout exchange and a queue of the same name. */
  private static void endpoint(Channel ch, String name) throws Exception {
    durable(ch, name, BuiltinExchangeType.FANOUT);
    ch.queueDeclare(name, true, false, false, null);
    ch.queueBind(name, name, "");
  }

  /**
   * Every message type is a fanout exchange, bound to those of its base types and to the endpoints that consume it. What has no
   * consumer there is moved to NAME_skipped, what fails to NAME_error.
   */
  private static void massTransit(Channel ch) throws Exception {
    String service = Harness.unique("order-service");
    String audit = Harness.unique("audit");
    String derived = Harness.unique("Contracts:OrderSubmitted");
    String base = Harness.unique("Contracts:IEvent");
    for (int start = 0; start < 2; start++) { // a service declares everything again at every start
      for (String name : List.of(service, audit, service + "_error", service + "_skipped")) {
        endpoint(ch, name);
      }
      for (String type : List.of(derived, base)) {
        durable(ch, type, BuiltinExchangeType.FANOUT);
      }
      ch.exchangeBind(base, derived, "");
      ch.exchangeBind(service, derived, "");
      ch.exchangeBind(audit, base, "");
      ch.exchangeDeclare(service + "_delay", "x-delayed-message", true, false, Map.of("x-delayed-type", "fanout"));
      ch.exchangeBind(service, service + "_delay", "");
    }
    String bus = Harness.unique("bus");
    ch.exchangeDeclare(bus, BuiltinExchangeType.FANOUT, false, true, null);
    ch.queueDeclare(bus, false, false, true, Map.of("x-expires", 60_000));
    ch.queueBind(bus, bus, "");
    ch.confirmSelect();
    ch.basicQos(16);
    AMQP.BasicProperties envelope = new AMQP.BasicProperties.Builder().contentType("application/vnd.masstransit+json").deliveryMode(2)
        .messageId("m").headers(Map.of("MT-Activity-Id", "a")).replyTo(bus).build();
    ch.basicPublish(derived, "", false, envelope, Harness.bytes("order 1"));
    ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
    Harness.expect(Harness.bodies(ch, audit, 1), List.of("order 1"), "the endpoint of the base type");
    Delivery failed = Harness.take(ch, service, 1, false).get(0);
    Map<String, Object> fault = new HashMap<>(failed.getProperties().getHeaders());
    fault.put("MT-Fault-Message", "as planned");
    ch.basicPublish(service + "_error", "", failed.getProperties().builder().headers(fault).build(), failed.getBody());
    ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
    ch.basicAck(failed.getEnvelope().getDeliveryTag(), false);
    GetResponse moved = ch.basicGet(service + "_error", true);
    Harness.expect(moved.getProps().getHeaders().get("MT-Fault-Message").toString(), "as planned", "the fault");
    Harness.send(ch, bus, "", "reply");
    Harness.expect(Harness.bodies(ch, bus, 1), List.of("reply"), "the reply");
    long began = System.nanoTime();
    ch.basicPublish(service + "_delay", "", envelope.builder().headers(Map.of("x-delay", 300)).build(), Harness.bytes("redelivery"));
    Harness.expect(Harness.bodies(ch, service, 1), List.of("redelivery"), "the scheduled redelivery");
    Harness.check(System.nanoTime() - began > 250_000_000L, "redelivered too soon");
    for (String name : List.of(service, audit, service + "_error", service + "_skipped")) {
      Harness.expect(ch.queueDelete(name).getMessageCount(), 0, "left in " + name);
      ch.exchangeDelete(name);
    }
    for (String name : List.of(derived, base, service + "_delay")) {
      ch.exchangeDelete(name);
    }
  }

  private static String level(String prefix, int n) {
    return String.format("%s.delay-level-%02d", prefix, n);
  }

  /**
   * A delay in binary is a routing key: the digit of a level says whether the message waits in that level's queue, whose TTL is two
   * to that power, or passes it by. The last level hands over to the delivery exchange.
   */
  private static void nServiceBus(Channel ch) throws Exception {
    String prefix = Harness.unique("nsb");
    String delivery = prefix + ".delay-delivery";
    for (int start = 0; start < 2; start++) {
      declareDelays(ch, prefix, delivery);
    }
    String endpoint = Harness.queue(ch, "endpoint", true, Map.of("x-queue-type", "quorum"));
    durable(ch, endpoint, BuiltinExchangeType.FANOUT);
    ch.exchangeBind(endpoint, delivery, "#." + endpoint);
    ch.queueBind(endpoint, endpoint, "");
    ch.confirmSelect();
    for (int seconds : new int[] {3, 1, 0}) {
      StringBuilder key = new StringBuilder();
      for (int n = DELAY_LEVELS - 1; n >= 0; n--) {
        key.append((seconds >> n) & 1).append('.');
      }
      AMQP.BasicProperties properties = Harness.persistent().builder().headers(Map.of("NServiceBus.Transport.RabbitMQ.DelayInSeconds", seconds))
          .build();
      ch.basicPublish(level(prefix, DELAY_LEVELS - 1), key + endpoint, false, properties, Harness.bytes(seconds + " s"));
    }
    ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
    long began = System.nanoTime();
    List<Delivery> got = Harness.take(ch, endpoint, 3, true);
    Harness.expect(got.stream().map(Harness::text).toList(), List.of("0 s", "1 s", "3 s"), "order of delays");
    double took = (System.nanoTime() - began) / 1e9;
    Harness.check(took > 2.8 && took < 8, "three seconds took " + took);
    Map<?, ?> death = (Map<?, ?>) ((List<?>) got.get(2).getProperties().getHeaders().get("x-death")).get(0);
    Harness.expect(death.get("queue").toString(), level(prefix, 0), "the last delay of three seconds");
    ch.queueDelete(endpoint);
    ch.exchangeDelete(endpoint);
    for (int n = 0; n < DELAY_LEVELS; n++) {
      ch.queueDelete(level(prefix, n));
      ch.exchangeDelete(level(prefix, n));
    }
    ch.exchangeDelete(delivery);
  }

  private static void declareDelays(Channel ch, String prefix, String delivery) throws Exception {
    durable(ch, delivery, BuiltinExchangeType.TOPIC);
    for (int n = 0; n < DELAY_LEVELS; n++) {
      String below = n == 0 ? delivery : level(prefix, n - 1);
      String self = level(prefix, n);
      durable(ch, self, BuiltinExchangeType.TOPIC);
      ch.queueDeclare(self, true, false, false, Map.of("x-queue-type", "quorum", "x-dead-letter-strategy", "at-least-once",
          "x-overflow", "reject-publish", "x-message-ttl", (1L << n) * 1000, "x-dead-letter-exchange", below));
      String passed = "*.".repeat(DELAY_LEVELS - 1 - n);
      ch.queueBind(self, self, passed + "1.#");
      ch.exchangeBind(below, self, passed + "0.#");
    }
  }
}
