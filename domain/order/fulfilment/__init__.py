"""From open units to parcels: desired against reported, requests to pools, pick orders, progress,
pull-backs, re-routes, shipments.
"""
