"""Volumes of apps at the command line: the option, what is said of them, and `ph volumes`."""
