"""What runs the product: processes, servers, rules, the operator's acts, recovery, monitoring.

Imports every package below it; never ``lab`` or ``wharf``.
"""
