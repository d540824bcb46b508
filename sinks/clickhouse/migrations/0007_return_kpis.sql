-- What came of returns (docs/kpis.md). Units of an event's return, one row each; reason and disposition are the unit's.
CREATE VIEW IF NOT EXISTS returned_units AS
SELECT
    event_id, type, time, occurred_at, order_key, seq, channel, currency, rma_id, rma_kind, rma_status,
    unit_line AS line_id, unit_sku AS sku, unit_qty AS qty, unit_reason AS reason, unit_disposition AS disposition,
    if(unit_depot != '', unit_depot, toString(order_events.depot)) AS depot, unit_amount AS amount, unit_tax AS tax, unit_value AS value
FROM order_events FINAL
ARRAY JOIN
    `returned.line_id` AS unit_line,
    `returned.sku` AS unit_sku,
    `returned.qty` AS unit_qty,
    `returned.reason` AS unit_reason,
    `returned.disposition` AS unit_disposition,
    `returned.depot` AS unit_depot,
    `returned.amount` AS unit_amount,
    `returned.tax` AS unit_tax,
    `returned.value` AS unit_value
WHERE rma_id != '';

CREATE VIEW IF NOT EXISTS kpi_return_reasons AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    reason,
    uniqExact(rma_id) AS returns,
    sum(qty) AS units
FROM (SELECT channel, sku, reason, rma_id, qty FROM returned_units WHERE type = 'RMA_CREATED')
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('sku', sku)] AS dim
GROUP BY dimension, value, reason
ORDER BY dimension, value, reason;

CREATE VIEW IF NOT EXISTS kpi_dispositions AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    disposition,
    sum(qty) AS units
FROM (SELECT channel, sku, depot, occurred_at, disposition, qty FROM returned_units WHERE type = 'RETURN_INSPECTED')
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('sku', sku), ('depot', depot), ('day', toString(toDate(occurred_at)))] AS dim
GROUP BY dimension, value, disposition
ORDER BY dimension, value, disposition;

-- One return counts once, from the first unit received to the last credit so far.
CREATE VIEW IF NOT EXISTS kpi_time_to_credit AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    count() AS returns,
    quantileExactInclusive(0.5)(hours) AS p50_hours,
    quantileExactInclusive(0.95)(hours) AS p95_hours
FROM
(
    SELECT
        rma_id,
        any(channel) AS channel,
        maxIf(occurred_at, type = 'CREDITED') AS credited_at,
        (toUnixTimestamp64Milli(credited_at) - toUnixTimestamp64Milli(minIf(occurred_at, type = 'RMA_RECEIVED'))) / 3600000 AS hours
    FROM order_events FINAL
    WHERE rma_id != '' AND type IN ('RMA_RECEIVED', 'CREDITED')
    GROUP BY rma_id
    HAVING countIf(type = 'CREDITED') > 0 AND countIf(type = 'RMA_RECEIVED') > 0
)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('day', toString(toDate(credited_at)))] AS dim
GROUP BY dimension, value
ORDER BY dimension, value;

CREATE VIEW IF NOT EXISTS kpi_recovered_value AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    currency,
    sum(inspected) AS units,
    sum(credit) AS credited,
    sum(worth) AS recovered,
    if(sum(credit) = 0, 0, sum(worth) / sum(credit)) AS recovered_rate
FROM
(
    SELECT
        channel, sku, toString(currency) AS currency,
        if(type = 'RETURN_INSPECTED', qty, 0) AS inspected,
        if(type = 'CREDITED', amount, 0) AS credit,
        if(type = 'RETURN_INSPECTED', returned_units.value, 0) AS worth
    FROM returned_units
    WHERE type IN ('RETURN_INSPECTED', 'CREDITED')
)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('sku', sku)] AS dim
GROUP BY dimension, value, currency
ORDER BY dimension, value, currency;
