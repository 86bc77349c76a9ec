"""The log of changes, followed and stored as it is written."""
