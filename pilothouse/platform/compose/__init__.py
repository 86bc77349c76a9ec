"""compose files read as a plan of several apps (pure): what is taken, and what is not, said once.

Source: the Compose specification. Volumes, networks and the like have no counterpart in an app and are noted; what would make
a service do something else than the file says is refused.
"""
