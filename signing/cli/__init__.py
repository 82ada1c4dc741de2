"""The command `weir-sign`."""
