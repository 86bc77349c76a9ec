"""Backups of any backing service: stores, Jobs, schedules, retention, proofs."""
