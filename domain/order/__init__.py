"""The order aggregate: commands in, events, requests to pools and effects out. Start reading at ``aggregate``.

Imports ``domain.allocation``, ``domain.rules``, ``domain.records``; never ``domain.pool``.
"""
