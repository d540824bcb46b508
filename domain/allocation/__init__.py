"""Which depots serve a request: filters, preferences, search, cut-offs, bundling. Pure functions of a request, stock and rules.

Imports ``domain.rules`` and ``domain.records``; neither aggregate.
"""
