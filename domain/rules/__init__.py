"""What business people decide, as data, and how it is read: rule sets, layers, versions, conditions, fraud.

Imports ``domain.records``. Nothing here knows the state of an order or a pool.
"""
