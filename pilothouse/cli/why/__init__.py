"""`ph why`: what was seen of an app, turned into one sentence."""
