"""The kind ClusterNetworkPolicy of policy.networking.k8s.io. Pure. Source: kubernetes-sigs/network-policy-api apis/v1alpha2."""

from pilothouse.model.resource import Resource

GROUP = "policy.networking.k8s.io"
CLUSTERNETWORKPOLICIES = Resource(
    GROUP,
    "v1alpha2",
    "clusternetworkpolicies",
    "ClusterNetworkPolicy",
    namespaced=False,
    singular="clusternetworkpolicy",
    short_names=("cnp",),
    subresources=("status",),
    custom=True,
)
