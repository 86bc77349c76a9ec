"""Who asked what of the API, and what became of it: audit.k8s.io/v1, by a policy, into a log of bounded files."""
