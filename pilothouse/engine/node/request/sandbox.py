"""From a pod to the sandbox that holds it: names, namespaces, DNS, sysctls. Pure but for the host's resolv.conf, which is handed in."""

from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host.cgroups import pod_parent
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.request.hostname import domain, hostname, kernel_name
from pilothouse.engine.node.request.resources import of_sandbox
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import POD_NAME, POD_NAMESPACE, POD_UID
from pilothouse.model.json import Object
from pilothouse.model.sysctls import dotted

RESOLV_CONFS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
MOST_SERVERS, MOST_SEARCHES, MOST_SEARCH_CHARACTERS = 3, 32, 2048
"""Of a resolv.conf. Source: kubelet/network/dns (MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars)."""
PROTOCOLS = {"TCP": api.TCP, "UDP": api.UDP, "SCTP": api.SCTP}


@dataclass(frozen=True, slots=True)
class Resolver:
    """What a resolv.conf says."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> "Resolver":
        found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
        for line in text.splitlines():
            words = line.split()
            if len(words) < 2 or words[0] not in found:
                continue
            if words[0] == "search":
                found["search"] = words[1:]
            else:
                found[words[0]] += words[1:2] if words[0] == "nameserver" else words[1:]
        return Resolver(tuple(found["nameserver"]), tuple(found["search"]), tuple(found["options"]))

    @staticmethod
    def of_host() -> "Resolver":
        """systemd-resolved's own list where it runs: its stub on 127.0.0.53 is out of a pod's reach."""
        path = next((path for path in RESOLV_CONFS if path.exists()), None)
        return Resolver.parse(path.read_text()) if path else Resolver()


def dns(pod: Object, config: NodeConfig, host: Resolver) -> api.DNSConfig:
    """What is more than resolvers take is left out from the end. Source: kubelet/network/dns, GetPodDNS."""
    policy = podspec.spec(pod).get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and podspec.host_network(pod):
        policy = "Default"
    base = host
    if policy == "None":
        base = Resolver()
    elif policy in ("ClusterFirst", "ClusterFirstWithHostNet") and config.cluster_dns:
        suffix = config.cluster_domain
        searches = (f"{pod['metadata']['namespace']}.svc.{suffix}", f"svc.{suffix}", suffix, *host.searches)
        base = Resolver(config.cluster_dns, searches, ("ndots:5",))
    return _customised(base, podspec.spec(pod).get("dnsConfig") or {})


def _customised(base: Resolver, custom: Object) -> api.DNSConfig:
    servers = list(dict.fromkeys((*base.servers, *(custom.get("nameservers") or ()))))[:MOST_SERVERS]
    searches = list(dict.fromkeys((*base.searches, *(custom.get("searches") or ()))))[:MOST_SEARCHES]
    while len(" ".join(searches)) > MOST_SEARCH_CHARACTERS:
        searches.pop()
    options = {each.partition(":")[0]: each for each in base.options}
    for option in custom.get("options") or ():
        value = option.get("value")
        options[option["name"]] = option["name"] if value is None else f"{option['name']}:{value}"
    return api.DNSConfig(servers=servers, searches=searches, options=options.values())


def namespaces(pod: Object, *, target: str = "") -> api.NamespaceOption:
    """Which namespaces containers share with each other or with the host."""
    spec = podspec.spec(pod)
    pid = api.NODE if spec.get("hostPID") else api.POD if spec.get("shareProcessNamespace") else api.CONTAINER
    return api.NamespaceOption(
        network=api.NODE if podspec.host_network(pod) else api.POD,
        pid=api.TARGET if target else pid,
        ipc=api.NODE if spec.get("hostIPC") else api.POD,
        target_id=target,
    )


def sandbox_config(pod: Object, attempt: int, config: NodeConfig, host: Resolver) -> api.PodSandboxConfig:
    """Raises RuntimeFailure for what no runtime would take."""
    metadata = pod["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]
    spec = podspec.spec(pod)
    resources, overhead = of_sandbox(pod)
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if len(value) < 4096}
    return api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name=name, uid=uid, namespace=namespace, attempt=attempt),
        hostname=kernel_name(pod, config),
        log_directory=str(config.pod_logs(namespace, name, uid)),
        dns_config=dns(pod, config, host),
        port_mappings=_ports(pod),
        labels={**(metadata.get("labels") or {}), POD_NAME: name, POD_NAMESPACE: namespace, POD_UID: uid},
        annotations=annotations,
        linux=api.LinuxPodSandboxConfig(
            cgroup_parent=pod_parent(config.instance, uid),
            resources=resources,
            overhead=overhead,
            security_context=_security(pod),
            sysctls={dotted(each["name"]): each["value"] for each in (spec.get("securityContext") or {}).get("sysctls") or ()},
        ),
    )


def _ports(pod: Object) -> list[api.PortMapping]:
    if podspec.host_network(pod):
        return []
    return [
        api.PortMapping(
            protocol=PROTOCOLS[port.get("protocol") or "TCP"],
            container_port=port["containerPort"],
            host_port=port.get("hostPort") or 0,
            host_ip=port.get("hostIP") or "",
        )
        for container in podspec.all_containers(pod)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _security(pod: Object) -> api.LinuxSandboxSecurityContext:
    privileged = any((each.get("securityContext") or {}).get("privileged") for each in podspec.all_containers(pod))
    security = podspec.security(pod)
    groups = [*(security.get("supplementalGroups") or ()), *([security["fsGroup"]] if security.get("fsGroup") is not None else [])]
    return api.LinuxSandboxSecurityContext(
        namespace_options=namespaces(pod),
        privileged=privileged,
        supplemental_groups=groups,
        supplemental_groups_policy=security.get("supplementalGroupsPolicy") or "Merge",
        seccomp=api.SecurityProfile(profile_type=api.SecurityProfile.RuntimeDefault),
    )


def host_hosts() -> str:
    """The node's own /etc/hosts, for pods on its network."""
    return Path("/etc/hosts").read_text()


def hosts_file(pod: Object, ips: tuple[str, ...], config: NodeConfig, host_file: str) -> str:
    """The /etc/hosts of the pod's containers: the host's with its network, else names of the loopback and of the pod."""
    lines = (
        ["# Kubernetes-managed hosts file (host network).", host_file.rstrip("\n")]
        if podspec.host_network(pod)
        else _own_hosts(pod, ips, config)
    )
    aliases = podspec.spec(pod).get("hostAliases") or []
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias["ip"], *(alias.get("hostnames") or ()))) for alias in aliases]
    return "\n".join(lines) + "\n"


def _own_hosts(pod: Object, ips: tuple[str, ...], config: NodeConfig) -> list[str]:
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "fe00::\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    full = domain(pod, config)
    return lines + ["\t".join(part for part in (ip, full, hostname(pod)) if part) for ip in ips]
