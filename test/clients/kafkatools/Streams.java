import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/** A word count that counts exactly once: a repartition topic, a store with its changelog, and interruptions. */
final class Streams {
  private static final int LINES = 4000;
  private static final String[] WORDS = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"};

  private Streams() {}

  static void register() {
    Harness.scenario("Streams counts exactly once, its state thrown away in the middle", () -> {
      count(Harness.SERVER, () -> {}, true);
    });
    Harness.scenario("Streams counts exactly once, kill -9 of the broker in the middle", () -> {
      try (Harness.Broker broker = new Harness.Broker()) {
        count(broker.server, () -> {
          broker.kill();
          broker.start();
        }, false);
      }
    });
  }

  static Properties client(String server) {
    Properties p = new Properties();
    p.put("bootstrap.servers", server);
    return p;
  }

  private static KafkaStreams counter(String server, String id, String in, String out) throws Exception {
    StreamsBuilder b = new StreamsBuilder();
    b.<String, String>stream(in)
        .flatMapValues(line -> Arrays.asList(line.split(" ")))
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count(Materialized.as("counts"))
        .toStream().to(out, Produced.with(Serdes.String(), Serdes.Long()));
    Properties p = client(server);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    p.put(StreamsConfig.STATE_DIR_CONFIG, Harness.directory("streams").toString());
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    p.put("consumer.auto.offset.reset", "earliest");
    p.put("consumer.session.timeout.ms", 6000);
    KafkaStreams streams = new KafkaStreams(b.build(), p);
    streams.setUncaughtExceptionHandler(e -> StreamThreadExceptionResponse.REPLACE_THREAD);
    streams.start();
    return streams;
  }

  private static void send(String server, String topic, int from, int to) throws Exception {
    try (KafkaProducer<String, String> p = new KafkaProducer<>(client(server), new StringSerializer(), new StringSerializer())) {
      for (int i = from; i < to; i++) {
        p.send(new ProducerRecord<>(topic, "k" + i, WORDS[i % 7] + " " + WORDS[i % 5] + " " + WORDS[i % 3]));
      }
      p.flush();
    }
  }

  private static void count(String server, Harness.Scenario interrupt, boolean again) throws Exception {
    String id = Harness.unique("count");
    String in = id + "-in";
    String out = id + "-out";
    try (Admin admin = Admin.create(client(server))) {
      admin.createTopics(List.of(new NewTopic(in, 3, (short) 1), new NewTopic(out, 1, (short) 1))).all().get(Harness.WAIT, TimeUnit.SECONDS);
    }
    Map<String, Long> wanted = new HashMap<>();
    for (int i = 0; i < LINES; i++) {
      for (int n : new int[] {7, 5, 3}) {
        wanted.merge(WORDS[i % n], 1L, Long::sum);
      }
    }
    KafkaStreams streams = counter(server, id, in, out);
    try (Latest latest = new Latest(server, out)) {
      send(server, in, 0, LINES / 2);
      Harness.until(() -> latest.sum() > LINES / 2, "the first counts");
      interrupt.run();
      if (again) {
        // The next one has nothing on disk and reads its counts from the changelog.
        streams.close(Duration.ofSeconds(Harness.WAIT));
        streams = counter(server, id, in, out);
      }
      send(server, in, LINES / 2, LINES);
      Harness.until(() -> latest.sum() >= 3L * LINES, "all counts");
      Harness.expect(latest.counts, wanted, "counts");
    } finally {
      streams.close(Duration.ofSeconds(Harness.WAIT));
    }
    try (Admin admin = Admin.create(client(server))) {
      Set<String> names = admin.listTopics().names().get(Harness.WAIT, TimeUnit.SECONDS);
      Harness.check(names.contains(id + "-counts-changelog") && names.contains(id + "-counts-repartition"), "topics: " + names);
    }
  }

  /** The latest committed counts, which may only grow by what there is. */
  private static final class Latest implements AutoCloseable {
    final Map<String, Long> counts = new HashMap<>();
    private final KafkaConsumer<String, Long> consumer;

    Latest(String server, String topic) {
      Properties p = client(server);
      p.put("isolation.level", "read_committed");
      consumer = new KafkaConsumer<>(p, new StringDeserializer(), new LongDeserializer());
      consumer.assign(List.of(new TopicPartition(topic, 0)));
      consumer.seekToBeginning(consumer.assignment());
    }

    long sum() {
      for (ConsumerRecord<String, Long> r : consumer.poll(Duration.ofMillis(200))) {
        long before = counts.getOrDefault(r.key(), 0L);
        Harness.check(r.value() >= before, r.key() + " went from " + before + " to " + r.value());
        counts.put(r.key(), r.value());
      }
      return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    @Override
    public void close() {
      consumer.close();
    }
  }
}
