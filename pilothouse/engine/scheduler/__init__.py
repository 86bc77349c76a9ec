"""Assigns pods to nodes: filter plug-ins say where a pod cannot run and why, score plug-ins where it should."""
