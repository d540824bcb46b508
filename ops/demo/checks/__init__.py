"""Independent checks of a run: one module an oracle (trust.md), and no code shared with domain, streams, sinks or the codec."""
