"""What is kept of an order between two commands, and the statuses that follow from it.

Imports no handler: every other module of the order builds on these.
"""
