"""Who is served next when more is asked than can be done at once: priority levels, fair queues in them, and turns on the event loop."""
