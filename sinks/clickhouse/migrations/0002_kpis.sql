-- The KPIs. One definition each, in words in docs/kpis.md. Every view has the columns `dimension` and `value` (channel = shopify, depot = nl-1,
-- day = 2026-11-23 …; all = everything) before its measures. Always computed from the events themselves, with FINAL: no sums that could drift.
-- Written as views over a list of (dimension, value) pairs, so that each measure is written down once for all dimensions.

-- The SHIPPED that completed each order, the first if a later edit made it complete once more.
CREATE VIEW IF NOT EXISTS orders_shipped AS
SELECT
    order_key,
    any(channel) AS channel,
    argMin(depot, seq) AS depot,
    argMin(placed_at, seq) AS placed_at,
    argMin(occurred_at, seq) AS shipped_at
FROM order_events FINAL
WHERE type = 'SHIPPED' AND complete
GROUP BY order_key;

CREATE VIEW IF NOT EXISTS kpi_turnaround AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    count() AS orders,
    quantileExactInclusive(0.5)(hours) AS p50_hours,
    quantileExactInclusive(0.95)(hours) AS p95_hours
FROM
(
    SELECT *, (toUnixTimestamp64Milli(shipped_at) - toUnixTimestamp64Milli(placed_at)) / 3600000 AS hours
    FROM orders_shipped
)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('depot', toString(depot)), ('day', toString(toDate(shipped_at)))] AS dim
GROUP BY dimension, value
ORDER BY dimension, value;

CREATE VIEW IF NOT EXISTS kpi_on_time AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    count() AS allocations,
    countIf(shipped_at <= promised) AS on_time,
    countIf(shipped_at <= promised) / count() AS on_time_rate
FROM
(
    SELECT allocation_id, any(channel) AS channel, any(depot) AS depot, max(occurred_at) AS shipped_at
    FROM order_events FINAL
    WHERE type = 'SHIPPED' AND allocation_id != ''
    GROUP BY allocation_id
) AS shipped
INNER JOIN
(
    SELECT allocation_id, argMin(assumeNotNull(ship_by), seq) AS promised
    FROM order_events FINAL
    WHERE type = 'ALLOCATED' AND allocation_id != '' AND ship_by IS NOT NULL
    GROUP BY allocation_id
) AS allocated USING (allocation_id)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('depot', toString(depot)), ('day', toString(toDate(shipped_at)))] AS dim
GROUP BY dimension, value
ORDER BY dimension, value;

CREATE VIEW IF NOT EXISTS kpi_accuracy AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    count() AS completed,
    countIf(NOT touched) AS without_intervention,
    countIf(NOT touched) / count() AS accuracy
FROM
(
    SELECT
        order_key,
        any(channel) AS channel,
        argMaxIf(depot, seq, type = 'SHIPPED') AS depot,
        minIf(occurred_at, type = 'COMPLETED') AS completed_at,
        max(intervention) AS touched
    FROM order_events FINAL
    GROUP BY order_key
    HAVING countIf(type = 'COMPLETED') > 0
)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('depot', toString(depot)), ('day', toString(toDate(completed_at)))] AS dim
GROUP BY dimension, value
ORDER BY dimension, value;

-- `cohort` is the UTC month in which the line first shipped ('' = all months), whenever its units came back.
CREATE VIEW IF NOT EXISTS kpi_return_rate AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    cohort_or_all AS cohort,
    sum(shipped) AS units_shipped,
    sum(received) AS units_returned,
    sum(received) / sum(shipped) AS return_rate
FROM
(
    SELECT
        order_key,
        line_id,
        any(channel) AS channel,
        argMinIf(sku, seq, type = 'SHIPPED') AS sku,
        formatDateTime(minIf(occurred_at, type = 'SHIPPED'), '%Y-%m') AS month,
        sumIf(qty, type = 'SHIPPED') AS shipped,
        sumIf(qty, type = 'RMA_RECEIVED') AS received
    FROM order_event_lines
    WHERE type IN ('SHIPPED', 'RMA_RECEIVED')
    GROUP BY order_key, line_id
    HAVING shipped > 0
)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('sku', sku), ('channel, sku', concat(channel, ', ', sku))] AS dim
ARRAY JOIN ['', month] AS cohort_or_all
GROUP BY dimension, value, cohort
ORDER BY dimension, value, cohort;

-- One row a parcel: what ships under one group_id (a bundle), else one shipment. A shipment that several orders report costs once.
CREATE VIEW IF NOT EXISTS parcels AS
SELECT
    parcel,
    bundled,
    argMin(shipment_channel, shipment_key) AS channel,
    argMin(shipment_depot, shipment_key) AS depot,
    any(shipment_currency) AS cost_currency,
    min(first_shipped) AS shipped_at,
    arrayDistinct(arrayFlatten(groupArray(allocations))) AS allocation_ids,
    length(arrayDistinct(arrayFlatten(groupArray(order_keys)))) AS orders,
    sum(shipment_cost) AS cost
FROM
(
    SELECT
        if(group_id != '', group_id, if(shipment_id != '', shipment_id, allocation_id)) AS parcel,
        group_id != '' AS bundled,
        if(shipment_id != '', shipment_id, allocation_id) AS shipment_key,
        argMin(channel, order_key) AS shipment_channel,
        any(depot) AS shipment_depot,
        any(cost_currency) AS shipment_currency,
        min(occurred_at) AS first_shipped,
        groupUniqArray(allocation_id) AS allocations,
        groupUniqArray(order_key) AS order_keys,
        max(cost) AS shipment_cost
    FROM order_events FINAL
    WHERE type = 'SHIPPED' AND allocation_id != ''  -- what others shipped is no parcel of ours, and its cost unknown
    GROUP BY parcel, bundled, shipment_key
)
GROUP BY parcel, bundled;

CREATE VIEW IF NOT EXISTS kpi_cost_per_shipment AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    bundled,
    cost_currency,
    count() AS parcels,
    sum(orders) AS parcel_orders,
    sum(cost) AS total_cost,
    sum(cost) / count() AS cost_per_shipment,
    sum(if(bundled, alone - cost, 0)) AS saving
FROM
(
    SELECT
        parcel,
        bundled,
        any(channel) AS channel,
        any(depot) AS depot,
        any(cost_currency) AS cost_currency,
        any(shipped_at) AS shipped_at,
        any(orders) AS orders,
        any(cost) AS cost,
        sum(expected) AS alone
    FROM (SELECT *, arrayJoin(allocation_ids) AS allocation_id FROM parcels) AS shipped
    LEFT JOIN
    (
        SELECT allocation_id, argMin(cost, seq) AS expected
        FROM order_events FINAL
        WHERE type = 'ALLOCATED'
        GROUP BY allocation_id
    ) AS allocated USING (allocation_id)
    GROUP BY parcel, bundled
)
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('depot', toString(depot)), ('day', toString(toDate(shipped_at)))] AS dim
GROUP BY dimension, value, bundled, cost_currency
ORDER BY dimension, value, bundled, cost_currency;

-- Deliveries that were told more than once (webhook and poll, redelivered webhooks) and changed nothing.
CREATE VIEW IF NOT EXISTS kpi_duplicates AS
SELECT dim.1 AS dimension, dim.2 AS value, countIf(type = 'DUPLICATE') AS duplicates, countIf(type = 'STALE') AS stale
FROM (SELECT type, channel, occurred_at FROM order_events FINAL WHERE type IN ('DUPLICATE', 'STALE'))
ARRAY JOIN [('all', ''), ('channel', toString(channel)), ('day', toString(toDate(occurred_at)))] AS dim
GROUP BY dimension, value
ORDER BY dimension, value;
