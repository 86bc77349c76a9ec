"""Answers over HTTP: representations, tables, streams, compression."""
