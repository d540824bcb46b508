"""Rule files: read, checked, compared, published.

May import ``ops.operator``, ``ops.recovery``, ``ops.servers`` and ``ops.yaml``.
"""
