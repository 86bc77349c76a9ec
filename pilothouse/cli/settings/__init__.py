"""Where an instance lives, what it was started with, and what its builds use."""
