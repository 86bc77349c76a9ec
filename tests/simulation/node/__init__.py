"""One node agent in virtual time against a real API server, with everything between and below it that may fail: a hypothesis state
machine plays users, the network, the container runtime and the machine, and holds the agent to what it promises.
"""
