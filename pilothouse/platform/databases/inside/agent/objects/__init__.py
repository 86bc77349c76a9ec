"""Accounts and databases in the server, as the order has them. Only those that it names are touched."""
