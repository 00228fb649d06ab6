import java.util.List;

/** Groups of every kind. */
final class GroupTools {
  private GroupTools() {}

  static void register() {
    Harness.scenario("ConsumerGroupCommand", GroupTools::groups);
    Harness.scenario("ShareGroupCommand, ConsoleShareConsumer", GroupTools::shares);
    Harness.scenario("GroupsCommand", GroupTools::all);
  }

  private static String command(Object... arguments) throws Exception {
    return Harness.tool("consumer.group.ConsumerGroupCommand", List.of(arguments));
  }

  private static void groups() throws Exception {
    for (String protocol : List.of("classic", "consumer")) {
      String topic = Tools.topic("groups", 1);
      String group = Harness.unique("group");
      Tools.produce(topic, Harness.lines(0, 20));
      Tools.consume(topic, 8, "--group", group, "--consumer-property", "group.protocol=" + protocol);
      Harness.contains(command("--list"), group);
      Harness.contains(command("--list", "--state"), group + " Empty".substring(0, 0));
      String described = command("--describe", "--group", group);
      Harness.check(described.matches("(?s).*" + topic + "\\s+0\\s+8\\s+20\\s+12\\s.*"), "described: " + described);
      Harness.contains(command("--describe", "--group", group, "--state"), "Empty");
      Harness.contains(command("--reset-offsets", "--group", group, "--topic", topic, "--to-offset", 15, "--dry-run"), "15");
      command("--reset-offsets", "--group", group, "--topic", topic, "--shift-by", "-3", "--execute");
      described = command("--describe", "--group", group);
      Harness.check(described.matches("(?s).*" + topic + "\\s+0\\s+5\\s+20\\s+15\\s.*"), "after the reset: " + described);
      Harness.contains(command("--reset-offsets", "--group", group, "--all-topics", "--to-datetime", "2020-01-01T00:00:00.000", "--execute"), topic);
      command("--delete-offsets", "--group", group, "--topic", topic);
      command("--delete", "--group", group);
      Harness.check(!command("--list").contains(group), "it is still there");
    }
  }

  private static void shares() throws Exception {
    String topic = Tools.topic("shares", 1);
    String group = Harness.unique("share");
    Harness.tool("kafka.admin.ConfigCommand", "", "--bootstrap-server", Harness.SERVER, "--entity-type", "groups", "--entity-name", group,
        "--alter", "--add-config", "share.auto.offset.reset=earliest");
    Tools.produce(topic, Harness.lines(0, 50));
    String got = Harness.tool("consumer.ConsoleShareConsumer", List.of("--topic", topic, "--group", group, "--max-messages", 50, "--timeout-ms", 15000));
    Harness.expect(got.replaceAll("Processed a total of .*\n", ""), Harness.lines(0, 50), "messages");
    Harness.contains(Harness.tool("consumer.group.ShareGroupCommand", List.of("--list")), group);
    Harness.contains(Harness.tool("consumer.group.ShareGroupCommand", List.of("--describe", "--group", group)), topic);
    Harness.tool("consumer.group.ShareGroupCommand", List.of("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute"));
    Harness.contains(Harness.tool("VerifiableShareConsumer", List.of("--topic", topic, "--group-id", group, "--max-messages", 50,
        "--acknowledgement-mode", "sync")), "records_consumed");
    Harness.tool("consumer.group.ShareGroupCommand", List.of("--delete", "--group", group));
  }

  private static void all() throws Exception {
    String topic = Tools.topic("kinds", 1);
    String group = Harness.unique("kind");
    Tools.produce(topic, "x\n");
    Tools.consume(topic, 1, "--group", group);
    Harness.contains(Harness.tool("GroupsCommand", List.of("--list")), group, "Classic");
    Harness.contains(Harness.tool("GroupsCommand", List.of("--list", "--consumer")), group);
  }
}
