-- What people call an order (#1001), to find it by. Rows from before have none until the topic is read anew (`wharf sink` into an empty database).
ALTER TABLE order_events ADD COLUMN IF NOT EXISTS name String COMMENT 'what people call the order' AFTER order_id;

-- Where each order stands. All events of one command carry the status it settled on, so the newest has the order's.
CREATE OR REPLACE VIEW orders AS
SELECT
    order_key,
    any(channel) AS channel,
    any(account) AS account,
    any(order_id) AS order_id,
    argMax(status, seq) AS status,
    any(placed_at) AS placed_at,
    argMax(time, seq) AS changed_at,
    max(seq) AS events,
    max(intervention) AS intervention,
    argMaxIf(order_events.name, seq, order_events.name != '') AS name
FROM order_events FINAL
GROUP BY order_key;
