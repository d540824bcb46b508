-- Who wrote a range: of several sinks only the one that claimed a partition last inserts (sinks/clickhouse/progress.py). A row an owner; FINAL keeps
-- each owner's newest. Progress of before has owner 0.
ALTER TABLE sink_progress
    ADD COLUMN IF NOT EXISTS owner UInt64 COMMENT 'who claimed the partition last has the highest number',
    MODIFY ORDER BY (topic, kafka_partition, owner);
