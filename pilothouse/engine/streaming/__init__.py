"""Streams between the API server, a node and its container runtime: connections that are upgraded, and sessions over them."""
