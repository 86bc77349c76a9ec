"""Accounts and databases of an instance: from MySQLUser and MySQLDatabase to what the primary is told, and back to their status."""
