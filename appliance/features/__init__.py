"""Describes a request without keeping its text: task cell, language, size, needs, embedding."""
