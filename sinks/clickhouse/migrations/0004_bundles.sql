-- A parcel is what left a depot under one shipment id; it is a bundle if it carries more than one allocation. Each order's SHIPPED tells its own
-- share of the parcel's cost, so the parcel costs their sum (a share that was told twice, in two parts of a parcel, counts once).
CREATE OR REPLACE VIEW parcels AS
SELECT
    concat(part_depot, '/', part_shipment) AS parcel,
    count() > 1 AS bundled,
    argMin(part_channel, part_order) AS channel,
    any(part_depot) AS depot,
    any(part_currency) AS cost_currency,
    min(part_shipped) AS shipped_at,
    groupUniqArray(allocation_id) AS allocation_ids,
    uniqExact(part_order) AS orders,
    sum(share) AS cost
FROM
(
    SELECT
        toString(depot) AS part_depot,
        if(shipment_id != '', shipment_id, allocation_id) AS part_shipment,
        allocation_id,
        any(order_key) AS part_order,
        any(channel) AS part_channel,
        any(cost_currency) AS part_currency,
        min(occurred_at) AS part_shipped,
        max(cost) AS share
    FROM order_events FINAL
    WHERE type = 'SHIPPED' AND allocation_id != ''  -- what others shipped is no parcel of ours, and its cost unknown
    GROUP BY part_depot, part_shipment, allocation_id
)
GROUP BY part_depot, part_shipment;

-- Saved: what each allocation of a bundle was expected to cost alone, less what the parcel cost. Where no cost was told, nothing is claimed.
CREATE OR REPLACE VIEW kpi_cost_per_shipment AS
SELECT
    dim.1 AS dimension,
    dim.2 AS value,
    bundled,
    cost_currency,
    count() AS parcels,
    sum(orders) AS parcel_orders,
    sum(cost) AS total_cost,
    sum(cost) / count() AS cost_per_shipment,
    sum(if(bundled AND cost > 0, alone - cost, 0)) AS saving
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
