import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The calls that interfaces such as Kafka UI make to show and change what there is. */
final class Interface {
  private Interface() {}

  static void register() {
    Harness.scenario("an interface shows the cluster", () -> with(Interface::cluster));
    Harness.scenario("an interface shows topics and settings", () -> with(Interface::topics));
    Harness.scenario("an interface shows groups and their lag", () -> with(Interface::groups));
    Harness.scenario("an interface shows messages", () -> with(Interface::messages));
    Harness.scenario("an interface shows rights and quotas", () -> with(Interface::rights));
  }

  private interface Use {
    void run(Admin admin) throws Exception;
  }

  private static void with(Use use) throws Exception {
    try (Admin admin = Admin.create(Streams.client(Harness.SERVER))) {
      use.run(admin);
    }
  }

  private static String filled(Admin admin, int partitions, int count) throws Exception {
    String name = Harness.unique("interface");
    admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(Map.of("retention.ms", "600000")))).all().get();
    try (KafkaProducer<String, String> p = new KafkaProducer<>(Streams.client(Harness.SERVER), new StringSerializer(), new StringSerializer())) {
      for (int i = 0; i < count; i++) {
        p.send(new ProducerRecord<>(name, i % partitions, "k" + i, "v" + i));
      }
    }
    return name;
  }

  private static void cluster(Admin admin) throws Exception {
    var cluster = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
    Harness.expect(cluster.nodes().get().iterator().next().id(), 1, "node");
    Harness.expect(cluster.controller().get().id(), 1, "controller");
    Harness.check(!cluster.clusterId().get().isEmpty() && !cluster.authorizedOperations().get().isEmpty(), "id and rights");
    ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
    Config config = admin.describeConfigs(List.of(broker), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all().get().get(broker);
    Harness.check(config.get("num.partitions") != null && config.get("auto.create.topics.enable") != null, "settings: " + config);
    Harness.check(!admin.describeFeatures().featureMetadata().get().finalizedFeatures().isEmpty(), "features");
    Harness.check(admin.describeMetadataQuorum().quorumInfo().get().leaderId() == 1, "quorum");
    Harness.check(admin.listPartitionReassignments().reassignments().get().isEmpty(), "reassignments");
  }

  private static void topics(Admin admin) throws Exception {
    String name = filled(admin, 3, 30);
    Harness.check(admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get().contains(name), "listed");
    TopicDescription t = admin.describeTopics(List.of(name), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames().get().get(name);
    Harness.expect(t.partitions().size(), 3, "partitions");
    Harness.expect(admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(t.topicId()))).allTopicIds().get().size(), 1, "by id");
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
    Config config = admin.describeConfigs(List.of(resource), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all().get().get(resource);
    Harness.expect(config.get("retention.ms").value(), "600000", "retention");
    Harness.expect(config.get("retention.ms").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "source");
    Harness.check(!config.get("retention.ms").synonyms().isEmpty() && config.get("cleanup.policy").isDefault(), "synonyms and defaults");
    admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "700000"), AlterConfigOp.OpType.SET)))).all().get();
    var offsets = admin.listOffsets(t.partitions().stream().collect(Collectors.toMap(p -> new TopicPartition(name, p.partition()), p -> OffsetSpec.latest())));
    Harness.expect(offsets.all().get().values().stream().mapToLong(o -> o.offset()).sum(), 30L, "messages");
    var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().iterator().next();
    Harness.check(dirs.replicaInfos().get(new TopicPartition(name, 0)).size() > 0, "size on disk");
    Harness.check(admin.describeProducers(List.of(new TopicPartition(name, 0))).all().get().get(new TopicPartition(name, 0)).activeProducers().size() == 1, "producers");
    admin.deleteTopics(List.of(name)).all().get();
  }

  private static KafkaConsumer<String, String> consumer(String group, String protocol) {
    Properties p = Streams.client(Harness.SERVER);
    p.put("group.id", group);
    p.put("group.protocol", protocol);
    p.put("auto.offset.reset", "earliest");
    return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
  }

  private static void groups(Admin admin) throws Exception {
    for (String protocol : List.of("classic", "consumer")) {
      String name = filled(admin, 2, 20);
      String group = Harness.unique("group");
      try (KafkaConsumer<String, String> c = consumer(group, protocol)) {
        c.subscribe(List.of(name));
        int[] seen = {0};
        Harness.until(() -> (seen[0] += c.poll(Duration.ofMillis(200)).count()) == 20, "all records");
        c.commitSync(Map.of(new TopicPartition(name, 0), new OffsetAndMetadata(4), new TopicPartition(name, 1), new OffsetAndMetadata(10)));
        Harness.check(admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get().stream().anyMatch(g -> g.groupId().equals(group)), "listed");
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        Harness.expect(described.groupState().toString(), "Stable", "state");
        Harness.expect(described.members().iterator().next().assignment().topicPartitions().size(), 2, "assignment");
        var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Harness.expect(committed.values().stream().mapToLong(o -> 10 - o.offset()).sum(), 6L, "lag");
      }
      admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition(name, 0), new OffsetAndMetadata(0))).all().get();
      admin.deleteConsumerGroupOffsets(group, java.util.Set.of(new TopicPartition(name, 1))).all().get();
      Harness.expect(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().size(), 1, "positions left");
      admin.deleteConsumerGroups(List.of(group)).all().get();
    }
  }

  private static void messages(Admin admin) throws Exception {
    String name = filled(admin, 1, 100);
    Properties p = Streams.client(Harness.SERVER);
    try (KafkaConsumer<String, String> c = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
      TopicPartition partition = new TopicPartition(name, 0);
      c.assign(List.of(partition));
      Harness.expect(c.endOffsets(List.of(partition)).get(partition), 100L, "end");
      Harness.expect(c.beginningOffsets(List.of(partition)).get(partition), 0L, "beginning");
      Harness.expect(c.offsetsForTimes(Map.of(partition, 1L)).get(partition).offset(), 0L, "by time");
      c.seek(partition, 90);
      int[] seen = {0};
      Harness.until(() -> (seen[0] += c.poll(Duration.ofMillis(100)).count()) == 10, "the last ten");
    }
    admin.deleteRecords(Map.of(new TopicPartition(name, 0), org.apache.kafka.clients.admin.RecordsToDelete.beforeOffset(-1))).all().get();
  }

  private static void rights(Admin admin) throws Exception {
    AclBinding made = new AclBinding(new ResourcePattern(ResourceType.TOPIC, Harness.unique("acl"), PatternType.PREFIXED),
        new AccessControlEntry("User:interface", "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW));
    admin.createAcls(List.of(made)).all().get();
    Harness.check(admin.describeAcls(AclBindingFilter.ANY).values().get().contains(made), "listed");
    admin.deleteAcls(List.of(made.toFilter())).all().get();
    Harness.check(admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get() != null, "quotas");
    admin.describeUserScramCredentials().all().get();
  }
}
