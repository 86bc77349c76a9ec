"""What is told of instances to whoever watches them: figures of the platform, and rules for alerts."""
