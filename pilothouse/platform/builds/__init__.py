"""Builds: source in, image in the platform's registry out, made by buildah in a pod of the cluster."""
