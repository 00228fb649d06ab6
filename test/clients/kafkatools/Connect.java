import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.TimeUnit;

/** Connect with a file as source and another one as sink, restarted in between. */
final class Connect {
  private Connect() {}

  static void register() {
    Harness.scenario("Connect copies a file through a topic", Connect::copy);
  }

  private static Process worker(Path dir) throws Exception {
    return new ProcessBuilder("java", "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"), "org.apache.kafka.connect.cli.ConnectStandalone",
        dir + "/worker", dir + "/source", dir + "/sink").redirectErrorStream(true).redirectOutput(dir.resolve("log").toFile()).start();
  }

  private static void copy() throws Exception {
    Path dir = Harness.directory("connect");
    String topic = Harness.unique("connect");
    Path from = Files.writeString(dir.resolve("from"), Harness.lines(0, 500));
    Path to = dir.resolve("to");
    Files.writeString(dir.resolve("worker"), String.join("\n", "bootstrap.servers=" + Harness.SERVER, "key.converter=org.apache.kafka.connect.storage.StringConverter",
        "value.converter=org.apache.kafka.connect.storage.StringConverter", "offset.storage.file.filename=" + dir + "/offsets", "offset.flush.interval.ms=200",
        "consumer.session.timeout.ms=10000", "listeners=http://127.0.0.1:0", "plugin.discovery=service_load"));
    Files.writeString(dir.resolve("source"), String.join("\n", "name=source-" + topic, "connector.class=org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max=1", "file=" + from, "topic=" + topic));
    Files.writeString(dir.resolve("sink"), String.join("\n", "name=sink-" + topic, "connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max=1", "file=" + to, "topics=" + topic));
    Process worker = worker(dir);
    try {
      arrives(dir, to, Harness.lines(0, 500));
      worker.destroy();
      if (!worker.waitFor(Harness.WAIT, TimeUnit.SECONDS)) {
        killed(worker, dir);
      }
      Files.writeString(from, Harness.lines(500, 600), StandardOpenOption.APPEND);
      worker = worker(dir);
      arrives(dir, to, Harness.lines(0, 600));
    } finally {
      worker.destroyForcibly();
    }
  }

  /**
   * Kills a worker that does not end, and prints what its threads do. A worker whose broker answers nothing at all ends in seven
   * seconds. What keeps it is in itself: its HTTP server, told to stop right after its start, waits for its threads for ever. Its
   * tasks run on meanwhile, so that the copy has to be whole even so.
   */
  private static void killed(Process worker, Path dir) throws Exception {
    new ProcessBuilder("kill", "-QUIT", String.valueOf(worker.pid())).start().waitFor();
    worker.waitFor(2, TimeUnit.SECONDS);
    worker.destroyForcibly().waitFor();
    Harness.note("Connect: the worker did not end in time and was killed. Its threads:\n" + Files.readString(dir.resolve("log")));
  }

  private static void arrives(Path dir, Path to, String wanted) throws Exception {
    try {
      Harness.until(() -> Files.exists(to) && Files.readString(to).length() >= wanted.length(), "the copy");
    } catch (AssertionError e) {
      String log = Files.readString(dir.resolve("log"));
      throw new AssertionError(e.getMessage() + ": " + log.substring(Math.max(0, log.length() - 1000)));
    }
    Harness.expect(Files.readString(to), wanted, "the copy");
  }
}
