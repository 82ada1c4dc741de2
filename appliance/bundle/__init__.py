"""What a node runs on: cards, policy, gates and weights, read from a content directory."""
