/** Scenarios of the RabbitMQ Java client against the broker at CLIENTS_AMQP. */
final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    Tutorials.register();
    Queues.register();
    Failures.register();
    Content.register();
    Features.register();
    Topologies.register();
    Lifetime.register();
    int status = Harness.runAll();
    System.exit(status); // connections that scenarios left behind keep threads alive
  }
}
