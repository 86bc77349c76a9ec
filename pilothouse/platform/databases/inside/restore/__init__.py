"""A new instance made of a backup and the archived log."""
