"""Settings of a node's policies."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NetworkPolicyConfig:
    """instance: short and unique on the machine. node: this node's name. dns_address: where this node's DNS server answers its pods."""

    instance: str
    node: str
    dns_address: str
    dns_port: int = 53

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-policy"
