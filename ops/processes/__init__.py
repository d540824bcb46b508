"""The product's own processes, wired: worker, webhooks, poller, sink, with their metrics and logs.

May import ``ops.operator``, ``ops.recovery``, ``ops.servers``; never ``ops.monitoring``.
"""
