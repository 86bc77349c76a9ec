"""The node's own API and the API server's way to it, with a real one of each."""
