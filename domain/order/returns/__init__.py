"""Returns of an order: requests, decisions, receipts, credits and their payment, exchanges, unclaimed parcels."""
