"""Stateful sets: pods with names, an order and storage of their own, which they keep when they are replaced."""
