"""What went wrong, put right: dead letters, redrive, replay.

May import ``ops.yaml``; no process.
"""
