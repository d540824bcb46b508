"""``wharf rules simulate``: past requests through other rules, on the pure domain, and what would have come out otherwise."""
