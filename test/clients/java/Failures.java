import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Method;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Errors: their codes, the method they name, and what survives them. */
final class Failures {
  private Failures() {}

  static void register() {
    Harness.onConnection("error-404", Failures::notFound);
    Harness.onConnection("error-403", Failures::accessRefused);
    Harness.scenario("error-405", Failures::locked);
    Harness.onConnection("error-406-delivery-tag", Failures::deliveryTag);
    Harness.onConnection("error-406-inequivalent", Failures::inequivalent);
    Harness.scenario("error-530", Failures::notAllowed);
    Harness.scenario("error-540", () -> connectionError(540, 60, 40,
        ch -> ch.basicPublish("", "q", false, true, null, new byte[0])));
  }

  /** Runs action on a new channel, wants it closed with code, and the connection alive after it. */
  static AMQP.Channel.Close channelError(Connection connection, int code, Harness.Body action) throws Exception {
    Channel ch = connection.createChannel();
    CompletableFuture<Throwable> closed = new CompletableFuture<>();
    ch.addShutdownListener(closed::complete);
    try {
      action.run(ch);
    } catch (java.io.IOException e) {
      closed.complete(e);
    }
    Throwable e = closed.get(Harness.WAIT, TimeUnit.SECONDS);
    Method reason = Harness.reason(e);
    Harness.check(reason instanceof AMQP.Channel.Close, "the connection was closed: " + reason);
    Harness.expect(Harness.code(e), code, "reply code of " + reason);
    Channel other = connection.createChannel();
    String queue = Harness.anonymous(other);
    Harness.send(other, "", queue, "alive");
    Harness.expect(Harness.bodies(other, queue, 1), List.of("alive"), "another channel");
    other.close();
    return (AMQP.Channel.Close) reason;
  }

  private static void channelError(Connection c, int code, int classId, int methodId, Harness.Body action) throws Exception {
    AMQP.Channel.Close close = channelError(c, code, action);
    Harness.expect(List.of(close.getClassId(), close.getMethodId()), List.of(classId, methodId), "class and method");
  }

  private static void connectionError(int code, int classId, int methodId, Harness.Body action) throws Exception {
    Connection connection = Harness.factory().newConnection();
    CompletableFuture<Throwable> closed = new CompletableFuture<>();
    connection.addShutdownListener(closed::complete);
    try {
      action.run(connection.createChannel());
    } catch (java.io.IOException e) {
      closed.complete(e);
    }
    AMQP.Connection.Close close = (AMQP.Connection.Close) Harness.reason(closed.get(Harness.WAIT, TimeUnit.SECONDS));
    Harness.expect(List.of(close.getReplyCode(), close.getClassId(), close.getMethodId()), List.of(code, classId, methodId),
        "code, class and method");
  }

  private static void notFound(Channel channel) throws Exception {
    Connection c = channel.getConnection();
    String missing = Harness.unique("missing");
    channelError(c, 404, 50, 10, ch -> ch.queueDeclarePassive(missing));
    channelError(c, 404, 40, 10, ch -> ch.exchangeDeclarePassive(missing));
    channelError(c, 404, 60, 20, ch -> ch.basicConsume(missing, (t, d) -> {}, t -> {}));
    channelError(c, 404, 60, 70, ch -> ch.basicGet(missing, true));
    channelError(c, 404, 60, 40, ch -> Harness.send(ch, missing, "k", ""));
    channelError(c, 404, 50, 20, ch -> ch.queueBind(Harness.anonymous(ch), missing, "k"));
  }

  private static void accessRefused(Channel channel) throws Exception {
    Connection c = channel.getConnection();
    channelError(c, 403, 50, 10, ch -> ch.queueDeclare("amq.mine", false, false, false, null));
    channelError(c, 403, 40, 10, ch -> ch.exchangeDeclare("amq.mine", "direct"));
    channelError(c, 403, 40, 20, ch -> ch.exchangeDelete("amq.direct"));
    String queue = Harness.queue(channel, "single", false, null);
    channel.basicConsume(queue, true, "", false, true, null, (t, d) -> {}, t -> {});
    channelError(c, 403, 60, 20, ch -> ch.basicConsume(queue, (t, d) -> {}, t -> {}));
    channel.queueDelete(queue);
    ConnectionFactory f = Harness.factory();
    f.setPassword("wrong");
    try {
      f.newConnection();
      throw new AssertionError("wrong password accepted");
    } catch (AuthenticationFailureException e) {
      Harness.check(e.getMessage().contains("ACCESS_REFUSED"), e.getMessage());
    }
  }

  private static void locked() throws Exception {
    Harness.connected(owner -> Harness.connected(channel -> {
      Connection c = channel.getConnection();
      String queue = Harness.anonymous(owner);
      channelError(c, 405, 50, 10, ch -> ch.queueDeclarePassive(queue));
      channelError(c, 405, 60, 20, ch -> ch.basicConsume(queue, (t, d) -> {}, t -> {}));
      channelError(c, 405, 50, 40, ch -> ch.queueDelete(queue));
      channelError(c, 405, 50, 30, ch -> ch.queuePurge(queue));
    }));
  }

  private static void deliveryTag(Channel channel) throws Exception {
    Connection c = channel.getConnection();
    channelError(c, 406, 60, 80, ch -> ch.basicAck(99, false));
    channelError(c, 406, 60, 120, ch -> ch.basicNack(99, false, true));
    channelError(c, 406, 60, 90, ch -> ch.basicReject(99, true));
    String queue = Harness.queue(channel, "twice", false, null);
    Harness.send(channel, "", queue, "x");
    Harness.ready(channel, queue);
    channelError(c, 406, 60, 80, ch -> {
      GetResponse got = ch.basicGet(queue, false);
      ch.basicAck(got.getEnvelope().getDeliveryTag(), false);
      ch.basicAck(got.getEnvelope().getDeliveryTag(), false);
    });
    channel.queueDelete(queue);
  }

  private static void inequivalent(Channel channel) throws Exception {
    Connection c = channel.getConnection();
    String queue = Harness.queue(channel, "args", true, Map.of("x-message-ttl", 1000));
    String exchange = Harness.unique("args");
    channel.exchangeDeclare(exchange, "direct");
    channelError(c, 406, 50, 10, ch -> ch.queueDeclare(queue, false, false, false, Map.of("x-message-ttl", 1000)));
    channelError(c, 406, 50, 10, ch -> ch.queueDeclare(queue, true, false, false, Map.of("x-message-ttl", 2000)));
    channelError(c, 406, 50, 10, ch -> ch.queueDeclare(queue, true, false, false, null));
    channel.queueDeclare(queue, true, false, false, Map.of("x-message-ttl", 1000L)); // another width of integer is the same
    channelError(c, 406, 40, 10, ch -> ch.exchangeDeclare(exchange, "fanout"));
    channelError(c, 406, 40, 10, ch -> ch.exchangeDeclare(exchange, "direct", true));
    channel.queueDelete(queue);
    channel.exchangeDelete(exchange);
  }

  private static void notAllowed() throws Exception {
    ConnectionFactory f = Harness.factory();
    f.setVirtualHost("no-such-vhost");
    try {
      f.newConnection();
      throw new AssertionError("opened a vhost that does not exist");
    } catch (java.io.IOException e) {
      Harness.expect(Harness.code(e), 530, "reply code");
    }
    connectionError(530, 60, 20, ch -> {
      String queue = Harness.anonymous(ch);
      ch.basicConsume(queue, true, "twice", (t, d) -> {}, t -> {});
      ch.basicConsume(queue, true, "twice", (t, d) -> {}, t -> {});
    });
  }
}
