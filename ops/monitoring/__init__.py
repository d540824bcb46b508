"""How the running system is: status, backlog, offsets.

May import any other room of ``ops``; none of them imports this.
"""
