"""A simulated 3PL: a WMS for each depot that picks, ships and takes returns."""
