"""A pod as it is known here: its fields, its state, and what it refers to."""
