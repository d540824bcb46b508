"""A simulated shop: Admin API, signed webhooks, returns."""
