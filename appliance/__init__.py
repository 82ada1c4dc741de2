"""Weir: a self-contained node that answers each AI request down the cheapest permitted path that is good enough."""

__version__ = "0.1.0"
