"""A backup: a copy of a member, sealed into a store, with what it holds."""
