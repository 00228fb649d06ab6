import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.apache.kafka.common.utils.Exit;

/** Runs scenarios one by one and prints a line for each; runs the main methods of tools and returns what they print. */
final class Harness {
  /** Seconds after which something that must happen is taken for lost. */
  static final int WAIT = 20;

  static final String SERVER = System.getenv("CLIENTS_KAFKA");

  private static final PrintStream OUT = System.out;
  private static final PrintStream ERROR = System.err;
  private static final InputStream IN = System.in;
  private static final AtomicInteger SERIAL = new AtomicInteger();
  private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();
  private static final ExecutorService EXECUTOR = Executors.newCachedThreadPool(run -> {
    Thread thread = new Thread(run);
    thread.setDaemon(true);
    return thread;
  });

  interface Scenario {
    void run() throws Exception;
  }

  interface Condition {
    boolean holds() throws Exception;
  }

  /** What a tool ends with instead of ending the process. Some catch it and want to end once more; the first time counts. */
  private static final class Ended extends RuntimeException {
    Ended(String message) {
      super(message);
    }
  }

  private static final List<Runnable> HOOKS = new CopyOnWriteArrayList<>();
  private static ByteArrayOutputStream printed;
  private static String text;
  private static Integer status;

  private static void runHooks() {
    List<Runnable> hooks = List.copyOf(HOOKS);
    HOOKS.clear();
    hooks.forEach(Runnable::run);
  }

  private static void end(int how, String message) {
    if (status == null && printed != null) {
      status = how;
      runHooks();
      text = printed.toString(StandardCharsets.UTF_8) + (message == null ? "" : message);
    }
    throw new Ended(message);
  }

  private Harness() {}

  static void scenario(String name, Scenario run) {
    SCENARIOS.put(name, run);
  }

  static int runAll() {
    Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
    Exit.setExitProcedure(Harness::end);
    Exit.setHaltProcedure(Harness::end);
    Pattern wanted = Pattern.compile(System.getenv().getOrDefault("SCENARIO", ""));
    int failed = 0;
    for (Map.Entry<String, Scenario> s : SCENARIOS.entrySet()) {
      if (!wanted.matcher(s.getKey()).find()) {
        continue;
      }
      long began = System.nanoTime();
      try {
        EXECUTOR.submit(() -> {
          s.getValue().run();
          return null;
        }).get(6 * WAIT, TimeUnit.SECONDS);
        OUT.printf("ok   kafkatools %s (%d ms)%n", s.getKey(), (System.nanoTime() - began) / 1_000_000);
      } catch (Exception e) {
        failed++;
        Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
        cause.printStackTrace(ERROR);
        String text = String.valueOf(cause).replace('\n', ' ');
        OUT.printf("FAIL kafkatools %s: %s%n", s.getKey(), text.substring(0, Math.min(400, text.length())));
      }
    }
    return failed == 0 ? 0 : 1;
  }

  /** Prints what is no failure but worth knowing of. */
  static void note(String text) {
    OUT.println("note kafkatools " + text.strip().replace("\n", "\n  "));
  }

  /** Runs the main method of a class on what it is to read; returns what it has printed, and wants it to succeed. */
  static String tool(String name, String input, Object... arguments) throws Exception {
    printed = new ByteArrayOutputStream();
    status = null;
    PrintStream stream = new PrintStream(printed, true);
    System.setOut(stream);
    System.setErr(stream);
    System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
    try {
      String[] texts = Arrays.stream(arguments).map(String::valueOf).toArray(String[]::new);
      EXECUTOR.submit(() -> Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) texts)).get(3 * WAIT, TimeUnit.SECONDS);
      runHooks();
    } catch (ExecutionException e) {
      if (status == null) {
        throw e;
      }
    } finally {
      HOOKS.clear();
      System.setOut(OUT);
      System.setErr(ERROR);
      System.setIn(IN);
    }
    if (status == null) {
      status = 0;
      text = printed.toString(StandardCharsets.UTF_8);
    }
    check(status == 0, name + " ended with " + status + ": " + text);
    return text;
  }

  /** Runs a tool that has its last words when its process ends in a process of its own. */
  static String process(String name, Object... arguments) throws Exception {
    List<String> all = new ArrayList<>(List.of("java", "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"), name, "--bootstrap-server", SERVER));
    Arrays.stream(arguments).map(String::valueOf).forEach(all::add);
    Path out = directory("process").resolve("out");
    Process run = new ProcessBuilder(all).redirectErrorStream(true).redirectOutput(out.toFile()).start();
    if (!run.waitFor(3 * WAIT, TimeUnit.SECONDS)) {
      run.destroyForcibly();
    }
    return Files.readString(out);
  }

  /** A tool of package org.apache.kafka.tools. */
  static String tool(String name, List<?> arguments) throws Exception {
    List<Object> all = new ArrayList<>(List.of("--bootstrap-server", SERVER));
    all.addAll(arguments);
    return tool("org.apache.kafka.tools." + name, "", all.toArray());
  }

  static String unique(String what) {
    return "tools-" + what + "-" + ProcessHandle.current().pid() + "-" + SERIAL.incrementAndGet();
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

  static void contains(String text, String... parts) {
    for (String part : parts) {
      check(text.contains(part), "no \"" + part + "\" in: " + text);
    }
  }

  static void until(Condition condition, String what) throws Exception {
    long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(2 * WAIT);
    while (!condition.holds()) {
      check(System.nanoTime() < limit, "not in time: " + what);
      Thread.sleep(50);
    }
  }

  static String lines(int from, int to) {
    StringBuilder all = new StringBuilder();
    for (int i = from; i < to; i++) {
      all.append(i).append('\n');
    }
    return all.toString();
  }

  static Path directory(String what) throws Exception {
    return Files.createTempDirectory(Path.of(System.getenv("CLIENTS_TEMP")), "tools-" + what);
  }

  /** A broker of the scenario's own, that can be killed and started again on the same port and data. */
  static final class Broker implements AutoCloseable {
    final String server;
    private final Path directory;
    private Process process;

    Broker() throws Exception {
      directory = directory("broker");
      try (ServerSocket free = new ServerSocket(0)) {
        server = "127.0.0.1:" + free.getLocalPort();
      }
      start();
    }

    void start() throws Exception {
      process = new ProcessBuilder(System.getenv("CLIENTS_BIN"), "serve", "--data", directory + "/data", "--listen",
          "amqp=off", "--listen", "http=off", "--listen", "kafka=" + server)
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

    @Override
    public void close() throws Exception {
      kill();
    }
  }
}
