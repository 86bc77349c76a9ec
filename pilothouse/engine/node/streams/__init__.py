"""What is asked of a node about its pods while they run: logs, exec, attach, port forwarding."""
