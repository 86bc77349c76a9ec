"""The Container Storage Interface: the drivers' vocabulary and a client of their sockets, for whatever runs on a node."""
