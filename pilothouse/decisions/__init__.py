"""The decision log: what was refused, delayed, picked or killed, and why."""
