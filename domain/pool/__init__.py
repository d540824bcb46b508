"""The pool aggregate: stock of a group of depots, and the queue of requests that want it. Start reading at ``aggregate``.

Imports ``domain.allocation``, ``domain.rules``, ``domain.records``; never ``domain.order``.
"""
