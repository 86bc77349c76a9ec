"""Instances of databases on a cluster with real containers, and what may happen to them."""
