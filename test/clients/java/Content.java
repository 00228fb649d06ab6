import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.LongString;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Messages come back byte for byte, whatever their size, properties and frames. */
final class Content {
  private static final int[] SIZES = {
    0, 1, 4087, 4088, 4089, 131_063, 131_064, 131_065, 131_071, 131_072, 131_073, 10 << 20
  };

  private Content() {}

  static void register() {
    Harness.onConnection("large-messages", Content::roundTrips);
    Harness.scenario("frame-max-4096", () -> {
      ConnectionFactory f = Harness.factory();
      f.setRequestedFrameMax(4096);
      Harness.connected(f, Content::roundTrips);
    });
    Harness.onConnection("properties", Content::properties);
  }

  private static void roundTrips(Channel ch) throws Exception {
    Random source = new Random(5);
    String queue = Harness.queue(ch, "large", true, null);
    ch.confirmSelect();
    for (int size : SIZES) {
      byte[] body = new byte[size];
      source.nextBytes(body);
      ch.basicPublish("", queue, Harness.persistent(), body);
      ch.waitForConfirmsOrDie(Harness.WAIT * 1000L);
      byte[] got = Harness.take(ch, queue, 1, true).get(0).getBody();
      Harness.check(Arrays.equals(got, body), size + " bytes came back as " + got.length + " others");
    }
    ch.queueDelete(queue);
  }

  /** Makes values of the client's own types and byte arrays comparable. */
  private static Object plain(Object v) {
    if (v instanceof LongString) {
      return v.toString();
    }
    if (v instanceof byte[] b) {
      return "bytes " + Base64.getEncoder().encodeToString(b);
    }
    if (v instanceof List<?> l) {
      List<Object> out = new ArrayList<>();
      l.forEach(x -> out.add(plain(x)));
      return out;
    }
    if (v instanceof Map<?, ?> m) {
      Map<Object, Object> out = new HashMap<>();
      m.forEach((k, x) -> out.put(k, plain(x)));
      return out;
    }
    return v;
  }

  private static void properties(Channel ch) throws Exception {
    Map<String, Object> headers = new HashMap<>();
    headers.put("string", "Grüße");
    headers.put("bytes", new byte[] {0, -1, -2});
    headers.put("true", true);
    headers.put("byte", (byte) -5);
    headers.put("short", (short) -300);
    headers.put("int", Integer.MAX_VALUE);
    headers.put("long", Long.MIN_VALUE);
    headers.put("float", 0.5f);
    headers.put("double", 2.25);
    headers.put("decimal", new BigDecimal("3.14"));
    headers.put("time", new Date(1_700_000_000_000L));
    headers.put("none", null);
    headers.put("empty", Map.of());
    headers.put("array", Arrays.asList(1, "two", List.of(3, Map.of("four", 4)), null));
    headers.put("table", Map.of("a", Map.of("b", Map.of("c", List.of(Map.of("d", "deep"))))));
    AMQP.BasicProperties sent = new AMQP.BasicProperties.Builder().contentType("text/plain").contentEncoding("utf-8")
        .headers(headers).deliveryMode(2).priority(7).correlationId("correlation").replyTo("reply").expiration("600000")
        .messageId("message").timestamp(new Date(1_700_000_000_000L)).type("type").userId("guest").appId("app")
        .clusterId("cluster").build();
    String queue = Harness.queue(ch, "properties", true, null);
    ch.basicPublish("", queue, sent, Harness.bytes("body"));
    ch.basicPublish("", queue, null, Harness.bytes("bare"));
    List<Delivery> got = Harness.take(ch, queue, 2, true);
    AMQP.BasicProperties full = got.get(0).getProperties();
    Harness.expect(plain(full.getHeaders()), plain(headers), "headers");
    Harness.expect(full.builder().headers(null).build().toString(), sent.builder().headers(null).build().toString(), "properties");
    StringBuilder bare = new StringBuilder();
    got.get(1).getProperties().appendPropertyDebugStringTo(bare);
    StringBuilder none = new StringBuilder();
    new AMQP.BasicProperties.Builder().build().appendPropertyDebugStringTo(none);
    Harness.expect(bare.toString(), none.toString(), "properties of a bare message");
    ch.queueDelete(queue);
  }
}
