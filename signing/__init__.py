"""The publisher's bench: makes keys, signs, presses bundles. No part of it is ever on a node."""

__version__ = "0.1.0"
