-- Everything that happened, one row an event. A statement may run again after a crash: IF NOT EXISTS everywhere.
--
-- Rows sort by their aggregate and its sequence, so that one order's timeline is one read; event_id, the last part of the key,
-- makes ReplacingMergeTree the second net under the insert tokens (read with FINAL). Not partitioned: an insert then is one
-- part, which is there or is not. fsync: rows must be on disk before the progress that says so.
CREATE TABLE IF NOT EXISTS order_events
(
    event_id String COMMENT 'UUID',
    type LowCardinality(String) COMMENT 'PLACED, ALLOCATED, PICKED, SHIPPED, DELIVERED … and the finer ones',
    time DateTime64(3, 'UTC') COMMENT 'when Wharfinger decided it',
    source LowCardinality(String),
    trace String COMMENT 'W3C trace id',
    order_key String COMMENT 'channel:account:order_id',
    seq Int64 COMMENT 'counts the events of the order from 1 without a gap',
    channel LowCardinality(String),
    account LowCardinality(String),
    order_id String,
    status LowCardinality(String) COMMENT 'of the order, after the event',
    occurred_at DateTime64(3, 'UTC') COMMENT 'when it happened outside',
    placed_at DateTime64(3, 'UTC'),
    country LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2',
    `lines.line_id` Array(String),
    `lines.sku` Array(String),
    `lines.qty` Array(Int64) COMMENT 'units the event is about',
    `lines.amount` Array(Int64) COMMENT 'minor units of currency',
    complete Bool COMMENT 'the PICKED or SHIPPED that completes the order',
    allocation_id String,
    shipment_id String,
    depot LowCardinality(String),
    service LowCardinality(String),
    carrier LowCardinality(String),
    tracking_number String,
    ship_by Nullable(DateTime64(3, 'UTC')) COMMENT 'promised hand-over to the carrier',
    eta Nullable(DateTime64(3, 'UTC')) COMMENT 'promised delivery',
    amount Int64 COMMENT 'minor units of currency',
    cost Int64 COMMENT 'minor units of cost_currency',
    currency LowCardinality(String),
    group_id String COMMENT 'joins allocations that ship as one parcel',
    reason String,
    actor LowCardinality(String),
    intervention Bool COMMENT 'a person or a repair had to step in',
    rule_version LowCardinality(String),
    decision String COMMENT 'JSON: candidates and why each was refused' CODEC(ZSTD(3)),
    cost_currency LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset UInt64,
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'by ClickHouse''s own clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (order_key, seq, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS pool_events
(
    event_id String COMMENT 'UUID',
    type LowCardinality(String),
    time DateTime64(3, 'UTC') COMMENT 'when Wharfinger decided it',
    source LowCardinality(String),
    trace String COMMENT 'W3C trace id',
    pool LowCardinality(String),
    seq Int64 COMMENT 'counts the events of the pool from 1 without a gap',
    order_key String,
    allocation_id String,
    depot LowCardinality(String),
    `moves.sku` Array(String),
    `moves.depot` Array(LowCardinality(String)),
    `moves.quality` Array(LowCardinality(String)),
    `moves.on_hand_delta` Array(Int64),
    `moves.reserved_delta` Array(Int64),
    `moves.on_hand` Array(Int64) COMMENT 'after the move',
    `moves.reserved` Array(Int64) COMMENT 'after the move',
    rule_version LowCardinality(String),
    reason String,
    reference String,
    decision String CODEC(ZSTD(3)),
    kafka_partition UInt32,
    kafka_offset UInt64,
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'by ClickHouse''s own clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (pool, seq, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- How far each partition is in (sinks/clickhouse/ranges.py). The newest row of a partition counts: version = 2 × last offset, + 1 when AFTER.
CREATE TABLE IF NOT EXISTS sink_progress
(
    topic LowCardinality(String),
    kafka_partition UInt32,
    first_offset UInt64,
    last_offset UInt64,
    state LowCardinality(String) COMMENT 'BEFORE or AFTER the insert of these offsets',
    version UInt64,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (topic, kafka_partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The Kafka these tables are filled from: offsets mean nothing in another.
CREATE TABLE IF NOT EXISTS sink_source
(
    cluster_id String,
    since DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY since;

CREATE VIEW IF NOT EXISTS order_event_lines AS
SELECT
    event_id, type, time, order_key, seq, channel, account, order_id, occurred_at, allocation_id, shipment_id, depot, currency,
    line_id, sku, qty, line_amount
FROM order_events FINAL
ARRAY JOIN
    `lines.line_id` AS line_id,
    `lines.sku` AS sku,
    `lines.qty` AS qty,
    `lines.amount` AS line_amount;

CREATE VIEW IF NOT EXISTS pool_moves AS
SELECT
    event_id, type, time, pool, seq, order_key, allocation_id, reference, reason,
    sku, move_depot AS depot, quality, on_hand_delta, reserved_delta, on_hand, reserved
FROM pool_events FINAL
ARRAY JOIN
    `moves.sku` AS sku,
    `moves.depot` AS move_depot,
    `moves.quality` AS quality,
    `moves.on_hand_delta` AS on_hand_delta,
    `moves.reserved_delta` AS reserved_delta,
    `moves.on_hand` AS on_hand,
    `moves.reserved` AS reserved;

-- Where each order stands.
CREATE VIEW IF NOT EXISTS orders AS
SELECT
    order_key,
    any(channel) AS channel,
    any(account) AS account,
    any(order_id) AS order_id,
    argMax(status, seq) AS status,
    any(placed_at) AS placed_at,
    argMax(time, seq) AS changed_at,
    max(seq) AS events,
    max(intervention) AS intervention
FROM order_events FINAL
GROUP BY order_key;
