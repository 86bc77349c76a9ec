"""How parts that route traffic and parts that end processes wait for each other."""
