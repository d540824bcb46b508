"""A simulated Bol Retailer account: API v10 with a token endpoint and rate limits."""
