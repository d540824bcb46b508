"""What the product is tried on: simulators, the demo, scenarios, what-if runs.

Imports the product; the product never imports it.
"""
