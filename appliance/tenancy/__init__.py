"""Tenants: whose a key is, what it narrows, what is left of what it may use.

Rules kept here:
1. Everything here narrows. Nothing in it permits what policy refuses.
2. Arithmetic of limits and budgets is pure: the caller brings the time.
"""
