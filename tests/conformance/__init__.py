"""Upstream's own end-to-end suite, run against an instance made for it (`scripts/conformance`)."""
