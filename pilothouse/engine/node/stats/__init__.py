"""Figures of the node, its pods and their containers: what they use of CPU, memory, disk, network and process numbers."""
