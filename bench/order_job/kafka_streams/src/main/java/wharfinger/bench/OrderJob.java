package wharfinger.bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The order job of bench/order_job on Kafka Streams, exactly_once_v2: dedupe, order state, stock per SKU, output.
 *
 * <p>Arguments: bootstrap input output application-id state-dir threads [property=value …]. Runs until it is told to stop (SIGTERM).
 */
public final class OrderJob {
  private static final int HEADER = 5;

  private OrderJob() {}

  /** Avro bytes behind the five bytes of the Confluent wire format; generated coders, buffers used again. */
  static final class Codec<T extends SpecificRecordBase> {
    private final byte[] head;
    private final SpecificDatumReader<T> reader;
    private final SpecificDatumWriter<T> writer;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    private BinaryDecoder decoder;
    private BinaryEncoder encoder;

    Codec(Class<T> type, int id) {
      reader = new SpecificDatumReader<>(type);
      writer = new SpecificDatumWriter<>(type);
      head = new byte[] {0, 0, 0, (byte) (id >> 8), (byte) id};
    }

    T read(byte[] bytes, T reuse) {
      try {
        decoder = DecoderFactory.get().binaryDecoder(bytes, HEADER, bytes.length - HEADER, decoder);
        return reader.read(reuse, decoder);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    byte[] write(T value) {
      try {
        out.reset();
        out.write(head);
        encoder = EncoderFactory.get().directBinaryEncoder(out, encoder);
        writer.write(value, encoder);
        encoder.flush();
        return out.toByteArray();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** The fold: the same as in fold.py. */
  static final class Fold implements Processor<String, byte[], String, byte[]> {
    private final Codec<BenchEvent> events = new Codec<>(BenchEvent.class, 1001);
    private final Codec<BenchOutput> outputs = new Codec<>(BenchOutput.class, 1002);
    private final Codec<OrderRow> orderRows = new Codec<>(OrderRow.class, 1003);
    private final Codec<StockRow> stockRows = new Codec<>(StockRow.class, 1004);
    private final BenchEvent event = new BenchEvent();
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> orders;
    private KeyValueStore<String, byte[]> stock;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      this.context = context;
      orders = context.getStateStore("orders");
      stock = context.getStateStore("stock");
    }

    @Override
    public void process(Record<String, byte[]> record) {
      BenchEvent e = events.read(record.value(), event);
      byte[] held = orders.get(record.key());
      OrderRow order = held == null ? new OrderRow("", 0L, new ArrayList<>()) : orderRows.read(held, null);
      if (order.getSeen().contains(e.getEventId())) {
        return;
      }
      byte[] shelf = stock.get(e.getSku());
      StockRow units = shelf == null ? new StockRow(0L, 0L) : stockRows.read(shelf, null);
      switch (e.getKind()) {
        case "PLACED" -> order.setQty(e.getQty());
        case "ALLOCATED" -> units.setReserved(units.getReserved() + e.getQty());
        case "SHIPPED" -> {
          units.setReserved(units.getReserved() - e.getQty());
          units.setShipped(units.getShipped() + e.getQty());
        }
        default -> { }
      }
      order.setStatus(e.getKind());
      order.getSeen().add(e.getEventId());
      orders.put(record.key(), orderRows.write(order));
      stock.put(e.getSku(), stockRows.write(units));
      BenchOutput output =
          new BenchOutput(
              e.getEventId(),
              e.getOrderKey(),
              order.getStatus(),
              order.getQty(),
              units.getReserved(),
              units.getShipped(),
              e.getTime());
      context.forward(record.withValue(outputs.write(output)));
    }
  }

  public static void main(String[] args) throws InterruptedException {
    Properties properties = new Properties();
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[5]);
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put("auto.offset.reset", "earliest");
    for (int i = 6; i < args.length; i++) {
      String[] pair = args[i].split("=", 2);
      properties.put(pair[0], pair[1]);
    }
    Serde<String> text = Serdes.String();
    Serde<byte[]> bytes = Serdes.ByteArray();
    Topology topology = new Topology();
    topology.addSource("in", text.deserializer(), bytes.deserializer(), args[1]);
    topology.addProcessor("fold", Fold::new, "in");
    for (String name : new String[] {"orders", "stock"}) {
      topology.addStateStore(
          Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), text, bytes)
              .withCachingEnabled()
              .withLoggingEnabled(Map.of()),
          "fold");
    }
    topology.addSink("out", args[2], text.serializer(), bytes.serializer(), "fold");
    KafkaStreams streams = new KafkaStreams(topology, properties);
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close(Duration.ofSeconds(20));
      stopped.countDown();
    }));
    streams.start();
    stopped.await();
  }
}
