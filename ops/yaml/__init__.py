"""YAML files read into structs, every problem with its line, field and a way out.

Imports no other room of ``ops``.
"""
