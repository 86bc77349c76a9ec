"""Pods as versions up to 0.1 have joined them: ports of a bridge, held by a table of family bridge."""

from dataclasses import dataclass

from pilothouse.network.pod import PodNetworkConfig
from pilothouse.network.pod.addresses import link_name
from pilothouse.network.pod.family import mac_of
from tests.e2e.network.conftest import Namespace, sh


@dataclass(frozen=True)
class OldBridge:
    config: PodNetworkConfig

    def make(self) -> None:
        device, gateway, table = self.config.device, self.config.gateway, self.config.table
        sh("ip", "link", "add", device, "address", mac_of(gateway), "type", "bridge")
        sh("ip", "address", "add", f"{gateway}/24", "dev", device)
        sh("ip", "link", "set", device, "up")
        sh("sysctl", "-qw", f"net.ipv4.conf.{device}.route_localnet=1", f"net.ipv4.conf.{device}.rp_filter=0", "net.ipv4.ip_forward=1")
        sh(
            "nft",
            "-f",
            "-",
            input=_RULES.format(table=table, device=device, cidr=self.config.pod_cidrs[0], mac=mac_of(gateway), gateway=gateway),
        )

    def join(self, container: str, pod: Namespace, address: str) -> None:
        link, mac, device = link_name(self.config.instance, container, "eth0"), mac_of(address), self.config.device
        pid = str(pod.process.pid)
        sh("ip", "link", "add", link, "master", device, "up", "type", "veth", "peer", "name", "eth0", "address", mac, "netns", pid)
        sh("ip", "link", "set", link, "alias", f"pod {address} {container} eth0")
        sh("bridge", "link", "set", "dev", link, "isolated", "on", "learning", "off", "flood", "off", "hairpin", "off")
        sh("bridge", "fdb", "replace", mac, "dev", link, "master", "static")
        sh("ip", "neigh", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")
        elements = f"senders {{ {link} . {mac} . {address} }}", f"ports {{ {link} }}"
        sh("nft", "-f", "-", input="".join(f"add element bridge {self.config.table} {each}\n" for each in elements))
        for words in (
            "link set lo up",
            "link set eth0 up",
            f"address add {address}/32 dev eth0",
            f"route add {self.config.gateway} dev eth0",
        ):
            pod.run("ip", *words.split())
        pod.run("ip", "route", "add", "default", "via", self.config.gateway)


_RULES = """
add table ip {table}
add map ip {table} host-ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add map ip {table} host-ports-at {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
add set ip {table} self {{ type ipv4_addr . ipv4_addr; }}
add chain ip {table} enter
add rule ip {table} enter fib daddr type local meta l4proto {{ tcp, udp }} dnat ip to meta l4proto . th dport map @host-ports
add chain ip {table} arrive {{ type nat hook prerouting priority -100; policy accept; }}
add rule ip {table} arrive jump enter
add chain ip {table} depart {{ type nat hook output priority -100; policy accept; }}
add rule ip {table} depart jump enter
add chain ip {table} leave {{ type nat hook postrouting priority 100; policy accept; }}
add rule ip {table} leave ip saddr . ip daddr @self masquerade
add rule ip {table} leave oifname "{device}" ip saddr 127.0.0.0/8 masquerade
add chain ip {table} guard {{ type filter hook prerouting priority -300; policy accept; }}
add rule ip {table} guard iifname "{device}" ip saddr != {cidr} drop
add table bridge {table}
add set bridge {table} ports {{ type ifname; }}
add set bridge {table} senders {{ type ifname . ether_addr . ipv4_addr; }}
add chain bridge {table} frames {{ type filter hook prerouting priority -300; policy accept; }}
add rule bridge {table} frames iifname != @ports accept
add rule bridge {table} frames ether daddr {mac} iifname . ether saddr . ip saddr @senders accept
add rule bridge {table} frames arp daddr ip {gateway} iifname . ether saddr . arp saddr ip @senders accept
add rule bridge {table} frames ether daddr {mac} iifname . ether saddr . arp saddr ip @senders accept
add rule bridge {table} frames drop
"""
