"""Everything that is written to a topic or read from one: commands, events, effects, facts, values. Plain data, no decision.

Imports only ``domain.errors``, ``domain.keys`` and ``domain.money``.
"""
