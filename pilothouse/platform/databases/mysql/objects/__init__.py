"""The Kubernetes objects that an instance stands for (pure)."""
