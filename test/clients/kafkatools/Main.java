/** Scenarios of Kafka's Java against the broker at CLIENTS_KAFKA; each class registers its own. */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Tools.register();
    GroupTools.register();
    Interface.register();
    Streams.register();
    Connect.register();
    int status = Harness.runAll();
    Runtime.getRuntime().halt(status);
  }
}
