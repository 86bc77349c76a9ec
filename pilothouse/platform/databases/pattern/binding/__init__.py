"""Bindings: an app gets an account of a service of its own, as variables, and gives it back."""
