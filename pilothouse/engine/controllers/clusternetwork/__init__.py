"""The setting of the network between nodes: its kind, its one object, and how far the nodes have come."""
