import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;

/** Runs scenarios one by one and prints a line for each; starts brokers of its own for those that kill one. */
final class Harness {
  /** Seconds after which something that must happen is taken for lost. */
  static final int WAIT = 20;

  /** The first word of the lines. */
  static String client = "java";

  private static final AtomicInteger SERIAL = new AtomicInteger();
  private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

  interface Scenario {
    void run() throws Exception;
  }

  interface Body {
    void run(Channel channel) throws Exception;
  }

  private Harness() {}

  static void scenario(String name, Scenario run) {
    SCENARIOS.put(name, run);
  }

  static void onConnection(String name, Body body) {
    scenario(name, () -> connected(body));
  }

  static int runAll() {
    Pattern wanted = Pattern.compile(System.getenv().getOrDefault("SCENARIO", ""));
    ExecutorService executor = Executors.newCachedThreadPool();
    int failed = 0;
    for (Map.Entry<String, Scenario> s : SCENARIOS.entrySet()) {
      if (!wanted.matcher(s.getKey()).find()) {
        continue;
      }
      long began = System.nanoTime();
      try {
        Callable<Void> call = () -> {
          s.getValue().run();
          return null;
        };
        executor.submit(call).get(6 * WAIT, TimeUnit.SECONDS);
        System.out.printf("ok   %s %s (%d ms)%n", client, s.getKey(), (System.nanoTime() - began) / 1_000_000);
      } catch (Exception e) {
        failed++;
        Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
        cause.printStackTrace();
        System.out.printf("FAIL %s %s: %s%n", client, s.getKey(), String.valueOf(cause).replace('\n', ' '));
      }
    }
    return failed == 0 ? 0 : 1;
  }

  static String unique(String what) {
    return "java." + what + "." + ProcessHandle.current().pid() + "." + SERIAL.incrementAndGet();
  }

  static void expect(Object got, Object wanted, String what) {
    if (!Objects.deepEquals(got, wanted)) {
      throw new AssertionError(what + ": got " + got + ", wanted " + wanted);
    }
  }

  static void check(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }

  static ConnectionFactory factory(String url) throws Exception {
    ConnectionFactory f = new ConnectionFactory();
    f.setUri(url);
    f.setConnectionTimeout(WAIT * 1000);
    f.setAutomaticRecoveryEnabled(false);
    return f;
  }

  static ConnectionFactory factory() throws Exception {
    return factory(System.getenv("CLIENTS_AMQP") + "/%2F");
  }

  static void connected(ConnectionFactory f, Body body) throws Exception {
    Connection c = f.newConnection();
    try {
      body.run(c.createChannel());
    } finally {
      try {
        c.close(WAIT * 1000);
      } catch (AlreadyClosedException e) {
        // The scenario itself ended the connection.
      }
    }
  }

  static void connected(Body body) throws Exception {
    connected(factory(), body);
  }

  static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  static String text(Delivery d) {
    return new String(d.getBody(), StandardCharsets.UTF_8);
  }

  static void send(Channel ch, String exchange, String key, String body) throws Exception {
    ch.basicPublish(exchange, key, null, bytes(body));
  }

  static AMQP.BasicProperties persistent() {
    return new AMQP.BasicProperties.Builder().deliveryMode(2).build();
  }

  static String anonymous(Channel ch) throws Exception {
    return ch.queueDeclare("", false, true, false, null).getQueue();
  }

  static String queue(Channel ch, String what, boolean durable, Map<String, Object> arguments) throws Exception {
    return ch.queueDeclare(unique(what), durable, false, false, arguments).getQueue();
  }

  static long ready(Channel ch, String queue) throws Exception {
    return ch.queueDeclarePassive(queue).getMessageCount();
  }

  /** Consumes exactly count messages. */
  static List<Delivery> take(Channel ch, String queue, int count, boolean autoAck) throws Exception {
    BlockingQueue<Delivery> arrived = new LinkedBlockingQueue<>();
    String tag = ch.basicConsume(queue, autoAck, (t, d) -> arrived.add(d), t -> {});
    List<Delivery> got = new ArrayList<>();
    while (got.size() < count) {
      Delivery d = arrived.poll(WAIT, TimeUnit.SECONDS);
      check(d != null, "only " + got.size() + " of " + count + " messages came from " + queue);
      got.add(d);
    }
    ch.basicCancel(tag);
    return got;
  }

  static List<String> bodies(Channel ch, String queue, int count) throws Exception {
    return take(ch, queue, count, true).stream().map(Harness::text).toList();
  }

  /** The close that e is about. */
  static Method reason(Throwable e) {
    for (Throwable t = e; t != null; t = t.getCause()) {
      if (t instanceof ShutdownSignalException s && s.getReason() != null) {
        return s.getReason();
      }
    }
    throw new AssertionError("no close from the broker: " + e, e);
  }

  static int code(Throwable e) {
    Method m = reason(e);
    return m instanceof AMQP.Channel.Close c ? c.getReplyCode() : ((AMQP.Connection.Close) m).getReplyCode();
  }

  /** A broker of the scenario's own, that can be killed and started again on the same port and data. */
  static final class Broker implements AutoCloseable {
    final Path directory;
    final int port = freePort();
    final String url = "amqp://guest:guest@127.0.0.1:" + port + "/%2F";
    private final Thread last = new Thread(() -> process().destroyForcibly());
    private Process process;

    Broker() throws Exception {
      directory = Files.createTempDirectory(Path.of(System.getenv("CLIENTS_TEMP")), "java-");
      start();
      Runtime.getRuntime().addShutdownHook(last);
    }

    private Process process() {
      return process;
    }

    void start() throws Exception {
      process = new ProcessBuilder(System.getenv("CLIENTS_BIN"), "serve", "--data", directory + "/data", "--listen",
          "amqp=127.0.0.1:" + port, "--listen", "http=off", "--listen", "kafka=off")
          .redirectError(ProcessBuilder.Redirect.appendTo(new File(directory + "/log"))).start();
      BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream()));
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        if (line.startsWith("ready")) {
          return;
        }
      }
      throw new AssertionError("broker did not start: " + Files.readString(directory.resolve("log")));
    }

    void kill() throws Exception {
      process.destroyForcibly().waitFor();
    }

    void terminate() throws Exception {
      process.destroy();
      check(process.waitFor(WAIT, TimeUnit.SECONDS), "no end after SIGTERM");
      expect(process.exitValue(), 0, "exit status after SIGTERM");
    }

    @Override
    public void close() throws Exception {
      kill();
      Runtime.getRuntime().removeShutdownHook(last);
      try (var paths = Files.walk(directory)) {
        paths.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
      }
    }
  }

  /** A port below the ephemeral range, so that no outgoing connection takes it while the broker is down. */
  private static int freePort() {
    for (int n = 0; n < 200; n++) {
      int port = 20000 + (int) ((ProcessHandle.current().pid() * 7 + n * 13 + 9) % 10000);
      try (ServerSocket s = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        return s.getLocalPort();
      } catch (java.io.IOException e) {
        continue;
      }
    }
    throw new AssertionError("no free port");
  }

  static List<String> numbers(int count) {
    String[] all = new String[count];
    Arrays.setAll(all, String::valueOf);
    return Arrays.asList(all);
  }
}
