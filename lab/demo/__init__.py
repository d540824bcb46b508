"""``wharf demo``: the main job on simulated channels, run as processes and checked independently."""
