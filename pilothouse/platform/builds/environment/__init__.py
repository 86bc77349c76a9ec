"""What a build needs to reach packages from here: the host's own package mirrors, proxies, certificates and credentials.

Found in the host's settings (pip, npm, go, apt, the CA bundle, proxy variables) and overridden key by key with `ph config`.
What holds no secret is for every build; passwords and tokens are kept apart, in a Secret of their own that only builds of the
namespaces that the operator names get. Settings that name files or folders of this machine are left out: they mean nothing
inside a build.
"""
