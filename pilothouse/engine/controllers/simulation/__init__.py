"""Nodes that are no machines, and pods on them that run nothing: to rehearse what a large cluster does, and to measure this one.

Idea: KWOK (sigs.k8s.io/kwok), whose nodes are told apart by a label and a taint as well.
"""
