"""What a pod is called inside: its host name, its domain, and what the kernel is told. Pure.

Source: kubelet_pods.go, GeneratePodHostNameAndDomain; kubelet/util, GetNodenameForKernel.
"""

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.model.json import Object

MAX_HOSTNAME = 63
MAX_KERNEL_NAME = 64


def hostname(pod: Object) -> str:
    """The short name, or the whole name that the pod asks for."""
    spec = podspec.spec(pod)
    asked: str | None = spec.get("hostnameOverride")
    if asked:
        return asked
    chosen: str = spec.get("hostname") or pod["metadata"]["name"]
    return chosen[:MAX_HOSTNAME].rstrip("-.")


def domain(pod: Object, config: NodeConfig) -> str:
    """The pod's own domain name, its host name first; "" unless it names a subdomain. A name that was asked for has no domain."""
    spec = podspec.spec(pod)
    subdomain = spec.get("subdomain")
    if not subdomain or spec.get("hostnameOverride"):
        return ""
    return f"{hostname(pod)}.{subdomain}.{pod['metadata']['namespace']}.svc.{config.cluster_domain}"


def kernel_name(pod: Object, config: NodeConfig) -> str:
    """What `hostname` says in the pod; "" on the host's network. Raises RuntimeFailure for a name that is too long for the kernel."""
    if podspec.host_network(pod):
        return ""
    full = domain(pod, config)
    if not full or not podspec.spec(pod).get("setHostnameAsFQDN"):
        return hostname(pod)
    if len(full) > MAX_KERNEL_NAME:
        why = (
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({MAX_KERNEL_NAME} is the max, {len(full)} requested)"
        )
        raise RuntimeFailure("RunPodSandbox", why, "INVALID_ARGUMENT")
    return full
