"""Wires the engine's two halves: the control plane (`control`) and a node (`node`), each for a process of its own."""
