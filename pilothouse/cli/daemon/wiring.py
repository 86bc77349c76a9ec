"""How an instance's settings become the settings of its parts: names, networks and folders in one place."""

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from pilothouse.cli.containerd import place
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.engine.node.config import NodeConfig
from pilothouse.network.dns.config import ClusterDNSConfig
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.service.config import ServiceProxyConfig

if TYPE_CHECKING:
    from pilothouse.cli.daemon.platform import PlatformOptions
    from pilothouse.engine.boot.control import ControlConfig
    from pilothouse.platform.gateway.controller import GatewayConfig

DNS_PORT = 53


def node_config(home: Home, settings: Settings) -> NodeConfig:
    return NodeConfig(
        home=home.node,
        node_name=settings.node_name,
        instance=f"pilothouse-{home.instance}",
        addresses=(str(settings.gateway_address),),
        cluster_dns=(str(settings.dns_address),),
        cluster_domain=settings.cluster_domain,
        pod_cidr=settings.pod_cidr,
        programs=place.kept(),
    )


def pod_network_config(home: Home, settings: Settings) -> PodNetworkConfig:
    node = node_config(home, settings)
    return PodNetworkConfig(
        instance=home.instance,
        pod_cidr=settings.pod_cidr,
        bridge=f"ph-{home.instance}",
        socket=home.run / "cni.sock",
        conf_dir=node.cni_conf_dir,
        bin_dir=node.cni_bin_dir,
        reached=(settings.service_cidr,),
    )


def service_proxy_config(home: Home, settings: Settings) -> ServiceProxyConfig:
    return ServiceProxyConfig(
        instance=home.instance,
        node=settings.node_name,
        local_cidr=settings.pod_cidr,
        service_cidr=settings.service_cidr,
        node_port_addresses=("127.0.0.1", str(settings.gateway_address)),
    )


def dns_config(settings: Settings) -> ClusterDNSConfig:
    return ClusterDNSConfig(
        node=settings.node_name,
        address=str(settings.gateway_address),
        port=DNS_PORT,
        cluster_ip=str(settings.dns_address),
        zone=settings.cluster_domain,
        networks=(settings.pod_cidr, settings.service_cidr),
    )


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
        internal=str(settings.gateway_address),
        port=settings.api_port,
        service_cidr=settings.service_cidr,
        service_address=str(settings.api_address),
        node_ports=settings.node_port_range,
        cluster_domain=settings.cluster_domain,
        node_name=settings.node_name,
        node_socket=home.node_socket,
        store_quota_bytes=settings.store_quota_mib << 20,
    )
    if not settings.platform:
        return config
    # Imported here: a cluster without the platform does not pay for it.
    from pilothouse.cli.daemon.rights import secret_readers
    from pilothouse.platform import rights

    return replace(
        config,
        cluster_roles=rights.cluster_roles(),
        cluster_role_bindings=rights.cluster_role_bindings(),
        secret_readers=secret_readers(),
    )


def platform_options(home: Home, settings: Settings) -> "PlatformOptions":
    from pilothouse.cli.daemon.platform import LocalParts, PlatformOptions
    from pilothouse.platform.apps.objects import Surroundings
    from pilothouse.platform.builds.bases import BUILDER

    registry = f"127.0.0.1:{settings.registry_port}"
    return PlatformOptions(
        registry=registry,
        around=Surroundings(
            registry=registry, domain=settings.domain, url_port=settings.http_port, asks_replicas=True, hosts_by_namespace=True
        ),
        builder_image=BUILDER,
        local=LocalParts(home.path, settings.registry_port, settings.https_port),
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
