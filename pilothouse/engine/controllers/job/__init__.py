"""Jobs: pods that run to their end, as many as it takes."""
