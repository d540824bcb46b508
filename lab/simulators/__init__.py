"""Channels, warehouses and a payment provider over real HTTP, each with a ledger of what really happened."""
