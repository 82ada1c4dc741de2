"""The audit: what left this host, where to and under which rule, in a chain that shows when it was touched."""
