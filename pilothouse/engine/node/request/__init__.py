"""From a pod to what the runtime is asked for: its sandbox and its containers."""
