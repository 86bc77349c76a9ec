"""`ph policy`: what network policies let pass."""
