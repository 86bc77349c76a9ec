"""Pilothouse: a container cloud platform on the Kubernetes API, with an embedded engine for one machine."""

__version__ = "0.1.0"
