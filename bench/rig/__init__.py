"""What the benchmarks stand on: a throw-away instance, clients that are not the limit, and ways to count."""
