-- What an event says of a return: the RMA, its units with reason, disposition and money (minor units of the order's currency).
ALTER TABLE order_events
    ADD COLUMN IF NOT EXISTS rma_id String COMMENT 'order_key/rN',
    ADD COLUMN IF NOT EXISTS rma_kind LowCardinality(String) COMMENT 'return, claim, exchange, return_to_sender',
    ADD COLUMN IF NOT EXISTS rma_status LowCardinality(String) COMMENT 'of the RMA, after the event',
    ADD COLUMN IF NOT EXISTS `returned.line_id` Array(String),
    ADD COLUMN IF NOT EXISTS `returned.sku` Array(String),
    ADD COLUMN IF NOT EXISTS `returned.qty` Array(Int64) COMMENT 'units',
    ADD COLUMN IF NOT EXISTS `returned.reason` Array(String) COMMENT 'why, as the customer or the channel said',
    ADD COLUMN IF NOT EXISTS `returned.disposition` Array(String) COMMENT 'RESTOCK, B_GRADE, WRITE_OFF, MISSING, WRONG_ITEM',
    ADD COLUMN IF NOT EXISTS `returned.depot` Array(String),
    ADD COLUMN IF NOT EXISTS `returned.note` Array(String),
    ADD COLUMN IF NOT EXISTS `returned.amount` Array(Int64) COMMENT 'credited for them, before fees',
    ADD COLUMN IF NOT EXISTS `returned.tax` Array(Int64) COMMENT 'tax in amount',
    ADD COLUMN IF NOT EXISTS `returned.fee` Array(Int64) COMMENT 'taken off',
    ADD COLUMN IF NOT EXISTS `returned.value` Array(Int64) COMMENT 'what the goods are worth again',
    ADD COLUMN IF NOT EXISTS `returned.stock_sku` Array(String) COMMENT 'under which SKU they went to stock',
    ADD COLUMN IF NOT EXISTS tax Int64 COMMENT 'tax in amount, minor units of currency',
    ADD COLUMN IF NOT EXISTS fees Int64 COMMENT 'taken off before amount, minor units of currency';
