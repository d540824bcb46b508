"""What a person asks of orders, returns, stock and decisions: looked up in ClickHouse, written as commands.

May import ``ops.yaml``; no process.
"""
