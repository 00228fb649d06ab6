import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Topics, settings, records, transactions, rights and load. */
final class Tools {
  private static final String PACKAGE = "org.apache.kafka.tools.";

  private Tools() {}

  static void register() {
    Harness.scenario("TopicCommand", Tools::topics);
    Harness.scenario("ConfigCommand", Tools::configs);
    Harness.scenario("ConfigCommand of users and quotas", Tools::users);
    Harness.scenario("ConsoleProducer, ConsoleConsumer", Tools::console);
    Harness.scenario("GetOffsetShell, DeleteRecordsCommand", Tools::offsets);
    Harness.scenario("TransactionsCommand", Tools::transactions);
    Harness.scenario("AclCommand", Tools::acls);
    Harness.scenario("LogDirsCommand", Tools::logDirs);
    Harness.scenario("BrokerApiVersionsCommand", Tools::versions);
    Harness.scenario("ClusterTool, FeatureCommand, MetadataQuorumCommand, LeaderElectionCommand, ReassignPartitionsCommand", Tools::cluster);
    Harness.scenario("ProducerPerformance, ConsumerPerformance", Tools::performance);
    Harness.scenario("EndToEndLatency", Tools::latency);
    Harness.scenario("VerifiableProducer, VerifiableConsumer", Tools::verifiable);
    Harness.scenario("TransactionalMessageCopier", Tools::copier);
  }

  static String topic(String what, int partitions) throws Exception {
    String name = Harness.unique(what);
    Harness.tool("TopicCommand", List.of("--create", "--topic", name, "--partitions", partitions, "--replication-factor", 1));
    return name;
  }

  static void produce(String topic, String input, Object... more) throws Exception {
    List<Object> all = new java.util.ArrayList<>(List.of("--bootstrap-server", Harness.SERVER, "--topic", topic));
    all.addAll(List.of(more));
    Harness.tool(PACKAGE + "ConsoleProducer", input, all.toArray());
  }

  static String consume(String topic, int count, Object... more) throws Exception {
    List<Object> all = new java.util.ArrayList<>(List.of("--topic", topic, "--from-beginning", "--max-messages", count, "--timeout-ms", 15000));
    all.addAll(List.of(more));
    return Harness.tool("consumer.ConsoleConsumer", all).replaceAll("Processed a total of .*\n", "");
  }

  private static void topics() throws Exception {
    String name = Harness.unique("topics");
    Harness.tool("TopicCommand", List.of("--create", "--topic", name, "--partitions", 3, "--replication-factor", 1, "--config", "retention.ms=60000"));
    Harness.contains(Harness.tool("TopicCommand", List.of("--list")), name);
    Harness.contains(Harness.tool("TopicCommand", List.of("--describe", "--topic", name)), "PartitionCount: 3", "ReplicationFactor: 1", "retention.ms=60000", "Leader: 1");
    Harness.tool("TopicCommand", List.of("--alter", "--topic", name, "--partitions", 5));
    Harness.contains(Harness.tool("TopicCommand", List.of("--describe", "--topic", name)), "PartitionCount: 5");
    Harness.expect(Harness.tool("TopicCommand", List.of("--describe", "--under-replicated-partitions", "--topic", name)).trim(), "", "under-replicated");
    Harness.tool("TopicCommand", List.of("--delete", "--topic", name));
    Harness.check(!Harness.tool("TopicCommand", List.of("--list")).contains(name), "it is still there");
  }

  private static String config(Object... arguments) throws Exception {
    List<Object> all = new java.util.ArrayList<>(List.of("--bootstrap-server", Harness.SERVER));
    all.addAll(List.of(arguments));
    return Harness.tool("kafka.admin.ConfigCommand", "", all.toArray());
  }

  private static void configs() throws Exception {
    String name = topic("configs", 1);
    config("--entity-type", "topics", "--entity-name", name, "--alter", "--add-config", "cleanup.policy=[compact,delete],max.message.bytes=5000");
    Harness.contains(config("--entity-type", "topics", "--entity-name", name, "--describe"), "cleanup.policy=compact,delete", "max.message.bytes=5000");
    config("--entity-type", "topics", "--entity-name", name, "--alter", "--delete-config", "max.message.bytes");
    Harness.check(!config("--entity-type", "topics", "--entity-name", name, "--describe").contains("max.message.bytes=5000"), "not deleted");
    Harness.contains(config("--entity-type", "topics", "--entity-name", name, "--describe", "--all"), "max.message.bytes=1048588");
    Harness.contains(config("--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"), "auto.create.topics.enable");
  }

  private static void users() throws Exception {
    String user = Harness.unique("user");
    config("--entity-type", "users", "--entity-name", user, "--alter", "--add-config", "SCRAM-SHA-512=[iterations=8192,password=secret]");
    Harness.contains(config("--entity-type", "users", "--entity-name", user, "--describe"), "SCRAM-SHA-512=iterations=8192");
    config("--entity-type", "users", "--entity-name", user, "--alter", "--add-config", "producer_byte_rate=1000000,consumer_byte_rate=2000000");
    Harness.contains(config("--entity-type", "users", "--entity-name", user, "--describe"), "producer_byte_rate=1000000", "consumer_byte_rate=2000000");
    config("--entity-type", "users", "--entity-name", user, "--alter", "--delete-config", "SCRAM-SHA-512");
    config("--entity-type", "users", "--entity-name", user, "--alter", "--delete-config", "producer_byte_rate,consumer_byte_rate");
    Harness.check(!config("--entity-type", "users", "--entity-name", user, "--describe").contains("="), "something is left");
  }

  private static void console() throws Exception {
    String name = topic("console", 1);
    produce(name, Harness.lines(0, 200), "--compression-codec", "zstd");
    Harness.expect(consume(name, 200), Harness.lines(0, 200), "values");
    String keyed = topic("keyed", 1);
    produce(keyed, "h:1\tk\tv\n", "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true");
    String got = consume(keyed, 1, "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
        "--formatter-property", "print.offset=true", "--formatter-property", "print.partition=true");
    Harness.contains(got, "Partition:0", "Offset:0", "h:1", "k\tv");
  }

  private static void offsets() throws Exception {
    String name = topic("offsets", 2);
    produce(name, Harness.lines(0, 10), "--producer-property", "partitioner.ignore.keys=false");
    String text = Harness.tool("GetOffsetShell", List.of("--topic", name, "--time", "-1"));
    int all = text.lines().filter(line -> line.startsWith(name)).mapToInt(line -> Integer.parseInt(line.split(":")[2])).sum();
    Harness.expect(all, 10, "latest of both: " + text);
    String single = topic("delete", 1);
    produce(single, Harness.lines(0, 10));
    Path file = Files.writeString(Harness.directory("records").resolve("offsets.json"),
        "{\"partitions\":[{\"topic\":\"" + single + "\",\"partition\":0,\"offset\":7}],\"version\":1}");
    Harness.contains(Harness.tool("DeleteRecordsCommand", List.of("--offset-json-file", file)), "low_watermark: 7");
    Harness.contains(Harness.tool("GetOffsetShell", List.of("--topic", single, "--time", "earliest")), single + ":0:7");
  }

  private static KafkaProducer<String, String> producer(String transactional) {
    Properties p = new Properties();
    p.put("bootstrap.servers", Harness.SERVER);
    p.put("transactional.id", transactional);
    return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
  }

  private static void transactions() throws Exception {
    String name = topic("transactions", 1);
    String id = Harness.unique("tx");
    try (KafkaProducer<String, String> p = producer(id)) {
      p.initTransactions();
      p.beginTransaction();
      p.send(new ProducerRecord<>(name, "open")).get();
      Harness.contains(Harness.tool("TransactionsCommand", List.of("list")), id, "Ongoing");
      Harness.contains(Harness.tool("TransactionsCommand", List.of("describe", "--transactional-id", id)), "Ongoing", name + "-0");
      String producers = Harness.tool("TransactionsCommand", List.of("describe-producers", "--topic", name, "--partition", 0));
      Harness.contains(producers, "CurrentTransactionStartOffset", "0");
      Harness.tool("TransactionsCommand", List.of("find-hanging", "--broker-id", 1));
      produce(name, "behind\n");
      Harness.tool("TransactionsCommand", List.of("abort", "--topic", name, "--partition", 0, "--start-offset", 0));
      Harness.expect(consume(name, 1, "--isolation-level", "read_committed"), "behind\n", "after the abort");
    }
  }

  private static void acls() throws Exception {
    String name = topic("acls", 1);
    Harness.tool("AclCommand", List.of("--add", "--allow-principal", "User:tools", "--producer", "--topic", name));
    Harness.tool("AclCommand", List.of("--add", "--deny-principal", "User:tools", "--operation", "Read", "--topic", name, "--resource-pattern-type", "prefixed"));
    Harness.contains(Harness.tool("AclCommand", List.of("--list", "--principal", "User:tools")), "operation=WRITE", "operation=CREATE", "permissionType=DENY", "PREFIXED");
    Harness.tool("AclCommand", List.of("--remove", "--force", "--topic", name, "--resource-pattern-type", "match"));
    Harness.check(!Harness.tool("AclCommand", List.of("--list")).contains(name), "something is left");
  }

  private static void logDirs() throws Exception {
    String name = topic("dirs", 2);
    produce(name, Harness.lines(0, 100));
    Harness.contains(Harness.tool("LogDirsCommand", List.of("--describe", "--topic-list", name)), name + "-0", name + "-1", "\"size\":");
  }

  private static void versions() throws Exception {
    Harness.contains(Harness.tool("BrokerApiVersionsCommand", List.of()), "id: 1", "Produce(0): 0 to 13", "ConsumerGroupHeartbeat(68)");
  }

  private static void cluster() throws Exception {
    String id = Harness.tool(PACKAGE + "ClusterTool", "", "cluster-id", "--bootstrap-server", Harness.SERVER);
    Harness.contains(id, "Cluster ID: ");
    Harness.contains(Harness.tool("FeatureCommand", List.of("describe")), "transaction.version");
    Harness.contains(Harness.tool("MetadataQuorumCommand", List.of("describe", "--status")), "LeaderId:");
    Harness.contains(Harness.tool("MetadataQuorumCommand", List.of("describe", "--replication")), "Leader");
    Harness.contains(Harness.tool("reassign.ReassignPartitionsCommand", List.of("--list")), "No partition reassignments found");
    Harness.tool("LeaderElectionCommand", List.of("--election-type", "preferred", "--topic", topic("election", 1), "--partition", 0));
  }

  private static void performance() throws Exception {
    String name = topic("performance", 4);
    Harness.contains(Harness.tool(PACKAGE + "ProducerPerformance", "", "--topic", name, "--num-records", 20000, "--record-size", 500, "--throughput", -1,
        "--producer-props", "acks=all", "bootstrap.servers=" + Harness.SERVER), "20000 records sent");
    Harness.contains(Harness.tool("ConsumerPerformance", List.of("--topic", name, "--num-records", 20000, "--timeout", 15000)), "20000");
  }

  private static void latency() throws Exception {
    Harness.contains(Harness.tool("EndToEndLatency", List.of("--topic", topic("latency", 1), "--num-records", 300, "--producer-acks", "all", "--record-size", 100)),
        "Percentiles");
  }

  private static void verifiable() throws Exception {
    String name = topic("verifiable", 2);
    Harness.contains(Harness.process(PACKAGE + "VerifiableProducer", "--topic", name, "--max-messages", 2000, "--throughput", -1), "\"sent\":2000", "\"acked\":2000");
    Harness.contains(Harness.process(PACKAGE + "VerifiableConsumer", "--topic", name, "--group-id", Harness.unique("group"), "--max-messages", 2000,
        "--reset-policy", "earliest"), "records_consumed", "offsets_committed");
  }

  private static void copier() throws Exception {
    String source = topic("source", 1);
    String target = topic("target", 1);
    produce(source, Harness.lines(0, 500));
    Harness.contains(Harness.tool(PACKAGE + "TransactionalMessageCopier", "", "--broker-list", Harness.SERVER, "--input-topic", source, "--input-partition", 0,
        "--output-topic", target, "--transactional-id", Harness.unique("copier"), "--consumer-group", Harness.unique("group"),
        "--transaction-size", 50, "--max-messages", 500), "\"consumed\":500");
    Harness.expect(consume(target, 500, "--isolation-level", "read_committed"), Harness.lines(0, 500), "the copy");
  }
}
