"""How an instance's settings become the settings of its parts: names, networks and folders in one place.

What is wired is imported where it is wired: the control plane does not load the node's parts, nor the node those of the control plane.
"""

import socket
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.cli.containerd import place
from pilothouse.cli.settings.home import BUILDER, Home, Settings
from pilothouse.engine.identities import Identities
from pilothouse.engine.node.config import EvictionConfig, NodeConfig
from pilothouse.model.networks import split

if TYPE_CHECKING:
    from pilothouse.cli.daemon.platform import PlatformOptions
    from pilothouse.engine.boot.audit import AuditConfig
    from pilothouse.engine.boot.control import ControlConfig
    from pilothouse.engine.node.kubelet.listener import Listening
    from pilothouse.engine.scheduler.config.types import SchedulerConfig
    from pilothouse.network.announce.config import AnnouncerConfig
    from pilothouse.network.backends.config import BackendConfig
    from pilothouse.network.dns.config import ClusterDNSConfig
    from pilothouse.network.pod.config import PodNetworkConfig
    from pilothouse.network.policy.config import NetworkPolicyConfig
    from pilothouse.network.service.config import ServiceProxyConfig
    from pilothouse.network.trace.config import TraceConfig
    from pilothouse.platform.gateway.controller import GatewayConfig

DNS_PORT = 53
REGISTRY_PORT = "registryPort"
"""What nodes are told beside the engine's own settings: the registry's port, where there is a registry."""


def reached_by(settings: Settings) -> str:
    """By which other machines reach a further node of this one; "" for others, and where no other machine does."""
    parent = Settings.load(Home(Path(settings.parent))) if settings.parent else None
    return "" if parent is None else next(iter(split(parent.api_listen)), "")


def node_config(home: Home, settings: Settings) -> NodeConfig:
    return NodeConfig(
        home=home.node,
        node_name=settings.node_name,
        instance=f"pilothouse-{home.instance}",
        addresses=settings.addresses,
        cluster_dns=settings.dns_addresses[:1],
        cluster_domain=settings.cluster_domain,
        pod_cidrs=split(settings.node_cidr) if settings.server else settings.node_cidrs,
        reached_by=reached_by(settings),
        programs=place.kept(),
        port=settings.kubelet_port,
        eviction=EvictionConfig(
            hard=settings.eviction_hard,
            soft=settings.eviction_soft,
            soft_grace_period=settings.eviction_soft_grace_period,
            minimum_reclaim=settings.eviction_minimum_reclaim,
            transition_s=settings.eviction_pressure_transition_s,
            most_grace_s=settings.eviction_max_pod_grace_s,
        ),
        allowed_sysctls=settings.allow_sysctls,
        own_folders={BUILDER: home.builder},
    )


def kubelet_listening(home: Home, settings: Settings) -> "Listening":
    """Where the node serves the kubelet API, and as whom."""
    from pilothouse.engine.node.kubelet.listener import Listening

    identities = Identities(home.pki)
    address = settings.address if settings.server else settings.kubelet_address
    return Listening(address, settings.kubelet_port, identities.kubelet, identities.ca)


def kubelet_host(settings: Settings) -> str:
    """By which the processes of this machine reach the kubelet API."""
    return "127.0.0.1" if settings.kubelet_address == "0.0.0.0" else settings.kubelet_address  # noqa: S104 - chosen by the user


def pod_network_config(home: Home, settings: Settings) -> "PodNetworkConfig":
    from pilothouse.network.pod.config import PodNetworkConfig

    node = node_config(home, settings)
    config = PodNetworkConfig(
        instance=home.instance,
        pod_cidrs=settings.node_cidrs,
        cluster_cidrs=settings.pod_cidrs,
        device=f"ph-{home.instance}",
        socket=home.run / "cni.sock",
        conf_dir=node.cni_conf_dir,
        bin_dir=node.cni_bin_dir,
        reached=settings.service_cidrs,
    )
    # A further node has a network namespace, and with it settings of the kernel, of its own.
    return replace(config, shared_state=home.run / "kernel") if settings.parent else config


def service_proxy_config(home: Home, settings: Settings) -> "ServiceProxyConfig":
    from pilothouse.network.service.config import ServiceProxyConfig

    return ServiceProxyConfig(
        instance=home.instance,
        node=settings.node_name,
        local_cidrs=settings.node_cidrs,
        cluster_cidrs=settings.pod_cidrs,
        service_cidrs=settings.service_cidrs,
        node_port_addresses=_nodeport_networks(settings)
        or tuple(dict.fromkeys(("127.0.0.1", *settings.gateway_addresses, *settings.addresses))),
    )


def _nodeport_networks(settings: Settings) -> tuple[str, ...]:
    return tuple(str(ip_network(each, strict=False)) for each in settings.nodeport_addresses)


def announcer_config(home: Home, settings: Settings) -> "AnnouncerConfig":
    from pilothouse.network.announce.config import AnnouncerConfig

    stated = settings.node_address or settings.api_listen
    return AnnouncerConfig(
        instance=home.instance,
        node=settings.node_name,
        own_cidrs=(*settings.pod_cidrs, *settings.service_cidrs),
        addresses=tuple(each for each in stated.split(",") if each),
    )


def network_policy_config(home: Home, settings: Settings) -> "NetworkPolicyConfig":
    from pilothouse.network.policy.config import NetworkPolicyConfig

    return NetworkPolicyConfig(
        instance=home.instance,
        node=settings.node_name,
        dns_addresses=settings.gateway_addresses,
        local_cidrs=settings.node_cidrs,
        cluster_cidrs=settings.pod_cidrs,
        dns_port=DNS_PORT,
    )


def dns_config(home: Home, settings: Settings) -> "ClusterDNSConfig":
    from pilothouse.network.dns.config import ClusterDNSConfig

    return ClusterDNSConfig(
        node=settings.node_name,
        addresses=settings.gateway_addresses,
        port=DNS_PORT,
        cluster_ips=settings.dns_addresses,
        zone=settings.cluster_domain,
        networks=(*settings.pod_cidrs, *settings.service_cidrs),
        standby=home.run / "dns.sock",
        kept=home.node / "Corefile",
    )


def trace_config(home: Home) -> "TraceConfig":
    from pilothouse.network.trace.config import TraceConfig

    return TraceConfig(instance=home.instance)


def control_config(home: Home, settings: Settings) -> "ControlConfig":
    from pilothouse.engine.boot.control import ControlConfig

    config = ControlConfig(
        name=home.cluster_name,
        store=home.store,
        keys=home.store_keys,
        pki=home.pki,
        cache=home.cache,
        kubeconfig=home.kubeconfig,
        addresses=(settings.api_host,),
        for_nodes=addresses_for_nodes(settings),
        internal=settings.gateway_addresses,
        port=settings.api_port,
        service_cidrs=settings.service_cidrs,
        pod_cidrs=settings.pod_cidrs,
        node_cidrs=settings.node_cidrs,
        service_addresses=settings.api_addresses,
        dns_addresses=settings.dns_addresses,
        node_ports=settings.node_port_range,
        cluster_domain=settings.cluster_domain,
        node_name=settings.node_name,
        node_socket=home.node_socket,
        kubelet_host=kubelet_host(settings),
        store_quota_bytes=settings.store_quota_mib << 20,
        audit=audit_config(home, settings),
        allowed_sysctls=settings.allow_sysctls,
        admission_plugins=settings.enable_admission_plugins,
        autoscaler_sync_s=settings.autoscaler_sync_s,
        scheduler=scheduler_config(home),
        simulated_nodes=settings.simulate_nodes,
    )
    if not settings.platform:
        return config
    # Imported here: a cluster without the platform does not pay for it.
    from pilothouse.cli.daemon.rights import secret_readers
    from pilothouse.platform import rights

    return replace(
        config,
        node_config={REGISTRY_PORT: str(settings.registry_port)},
        cluster_roles=rights.cluster_roles(),
        cluster_role_bindings=rights.cluster_role_bindings(),
        secret_readers=secret_readers(),
    )


def scheduler_config(home: Home) -> "SchedulerConfig":
    """Raises ConfigError for a file that cannot be read or is not valid."""
    from pilothouse.engine.scheduler.config.file import read
    from pilothouse.engine.scheduler.config.types import SchedulerConfig

    return read(home.scheduler_config) if home.scheduler_config.exists() else SchedulerConfig()


def backend_config(home: Home, settings: Settings) -> "BackendConfig":
    from pilothouse.network.backends.config import BackendConfig

    parent = Settings.load(Home(Path(settings.parent))) if settings.parent else None
    return BackendConfig(
        instance=home.instance,
        node=settings.node_name,
        cluster_cidrs=settings.pod_cidrs,
        state=home.node / "network",
        host_addresses=() if parent is None else parent.nodes_gateways,
    )


def addresses_for_nodes(settings: Settings) -> tuple[str, ...]:
    """By which nodes reach this machine that are not on it, or in a network namespace of it."""
    return (*split(settings.api_listen), *settings.nodes_gateways)


def audit_config(home: Home, settings: Settings) -> "AuditConfig | None":
    from pilothouse.engine.apiserver.audit.files import Bounds
    from pilothouse.engine.boot.audit import AuditConfig

    if settings.audit_mode == "off":
        return None
    bounds = Bounds(settings.audit_file_mib << 20, settings.audit_files, settings.audit_days)
    return AuditConfig(home.audit_policy, home.audit_log, bounds, is_strict=settings.audit_mode == "blocking-strict")


def platform_options(home: Home, settings: Settings) -> "PlatformOptions":
    from pilothouse.cli.daemon.platform import LocalParts, PlatformOptions
    from pilothouse.engine.node.facts import architecture
    from pilothouse.platform.apps.objects import Surroundings
    from pilothouse.platform.builds.bases import BUILDER

    registry = f"127.0.0.1:{settings.registry_port}"
    return PlatformOptions(
        registry=registry,
        around=Surroundings(
            registry=registry,
            domain=settings.domain,
            url_port=settings.http_port,
            asks_replicas=True,
            hosts_by_namespace=True,
            fills_volumes=True,
        ),
        builder_image=BUILDER,
        local=LocalParts(home.path, architecture(), settings.registry_port, settings.https_port),
    )


def gateway_config(home: Home, settings: Settings) -> "GatewayConfig":
    from pilothouse.platform.gateway.controller import GatewayConfig
    from pilothouse.platform.gateway.envoy import Listening

    listening = Listening(gateway_addresses(settings.listen), settings.http_port, settings.https_port, (shown_address(settings.listen),))
    return GatewayConfig(home.gateway, home.log / "gateway.log", listening, home.instance, domain=settings.domain)


def gateway_addresses(host: str) -> tuple[str, ...]:
    """Every IPv4 address or loopback mean IPv6's too, where the machine has it: browsers resolve NAME.localhost to either."""
    other = {"127.0.0.1": "::1", "0.0.0.0": "::"}.get(host)  # noqa: S104 - chosen by the user with --listen
    return (host, other) if other and has_ipv6_loopback() else (host,)


def shown_address(host: str) -> str:
    """The address that others use; for "every address" the one that this machine's default route leaves by, if there is one."""
    if host != "0.0.0.0":  # noqa: S104
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737's documentation network: connecting a datagram socket sends nothing.
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
