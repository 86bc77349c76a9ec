"""Commands about the cluster: the instance on this machine, kubectl, parts run against any cluster."""
