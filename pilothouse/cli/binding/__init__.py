"""`ph bind` and `ph unbind`: apps get accounts of databases, and give them back."""
