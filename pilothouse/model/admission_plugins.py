"""Names of admission plug-ins that a cluster has when it is asked for them; all others are always there. Source: kube-apiserver's names."""

DENY_EXTERNAL_IPS = "DenyServiceExternalIPs"
ON_REQUEST = (DENY_EXTERNAL_IPS,)
