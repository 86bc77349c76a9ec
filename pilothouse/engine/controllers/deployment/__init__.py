"""Deployments: replica sets for their templates, and how one takes over from another."""
