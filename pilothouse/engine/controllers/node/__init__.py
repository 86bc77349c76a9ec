"""Nodes that are no longer heard of, and their pods."""
