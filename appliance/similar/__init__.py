"""Are two short texts the same question? Readings, hard guards, and the measures that a verifier weighs."""
