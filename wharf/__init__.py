"""The ``wharf`` command line, thin: parse, call, print.

Imports everything; nothing imports it.
"""
