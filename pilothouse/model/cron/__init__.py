"""Times that come again: the lines in which they are written, and when the next one is."""
