"""Scenario files: an order's story and what must come of it, run in memory through both aggregates."""
