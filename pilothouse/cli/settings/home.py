"""Where an instance keeps its state and what it was started with.

Everything of an instance lives under its home; `instance` is a short name derived from the home's path that marks what an
instance puts elsewhere on the machine (links, nftables tables, cgroups), so that several run side by side.
"""

import hashlib
import json
import os
import re
import shlex
from dataclasses import asdict, dataclass, field, fields, replace
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Any

from pilothouse.model.names import dns1123_subdomain

DEFAULT_HOME = Path("/var/lib/pilothouse")


class SettingsError(Exception):
    """One sentence for the user about a setting that cannot be."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folders and files of one instance."""

    path: Path

    @classmethod
    def chosen(cls, option: str | None) -> "Home":
        """From the option, else $PILOTHOUSE_HOME, else the default; always absolute."""
        text = option or os.environ.get("PILOTHOUSE_HOME") or str(DEFAULT_HOME)
        return cls(Path(text).absolute())

    def options(self) -> list[str]:
        """The words between `ph` and a command that name this home; none when it is the one chosen without them."""
        return [] if self.path == Home.chosen(None).path else ["--home", shlex.quote(str(self.path))]

    @property
    def instance(self) -> str:
        """Eight hexadecimal digits, different for every home."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:8]

    @property
    def cluster_name(self) -> str:
        """By which kubeconfigs call the cluster, its user and its context; different for every home."""
        if self.path == DEFAULT_HOME:
            return "pilothouse"
        readable = re.sub(r"[^a-z0-9]+", "-", self.path.name.lower()).strip("-") or "home"
        return f"pilothouse-{readable}-{self.instance[:4]}"

    @property
    def settings(self) -> Path:
        return self.path / "settings.json"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "admin.kubeconfig"

    @property
    def store(self) -> Path:
        return self.path / "store.db"

    @property
    def store_keys(self) -> Path:
        return self.pki / "store.keys"

    @property
    def decisions(self) -> Path:
        return self.path / "decisions.db"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def daemon_pid(self) -> Path:
        return self.run / "pilothouse.pid"

    @property
    def daemon_log(self) -> Path:
        return self.log / "pilothouse.log"

    @property
    def node_pid(self) -> Path:
        return self.run / "node.pid"

    @property
    def node_log(self) -> Path:
        return self.log / "node.log"

    @property
    def node_socket(self) -> Path:
        return self.run / "node.sock"

    @property
    def unproven(self) -> Path:
        return self.path / "first-start"

    @property
    def node(self) -> Path:
        return self.path / "node"

    @property
    def registry(self) -> Path:
        return self.path / "registry"

    @property
    def builder(self) -> Path:
        return self.path / "builder"

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def gateway(self) -> Path:
        return self.path / "gateway"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instance was started with; kept in its home so that the next `ph up` is the same instance.

    Ports of 0 mean that the next free one is taken at the first start. listen: the address of the gateway's two ports; the API
    server, the registry and Envoy's administration stay on loopback. domain: under it an app without a host gets its own.
    """

    api_host: str = "127.0.0.1"
    api_port: int = 6443
    http_port: int = 80
    https_port: int = 443
    registry_port: int = 5000
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    node_port_range: tuple[int, int] = (30000, 32767)
    node_name: str = field(default_factory=lambda: os.uname().nodename.split(".")[0].lower() or "node")
    cluster_domain: str = "cluster.local"
    platform: bool = True
    listen: str = "127.0.0.1"
    domain: str = "localhost"
    store_quota_mib: int = 256

    def __post_init__(self) -> None:
        _address("listen", self.listen)
        if dns1123_subdomain(self.domain):
            raise SettingsError(f"--domain {self.domain!r} is not a domain such as apps.example.com")
        if not isinstance(self.store_quota_mib, int) or self.store_quota_mib < 1:
            raise SettingsError(f"store_quota_mib {self.store_quota_mib!r} is no size: give whole mebibytes, such as 256")
        pods, services = _network("pod-cidr", self.pod_cidr), _network("service-cidr", self.service_cidr)
        if pods.overlaps(services):
            raise SettingsError(
                f"pod network {pods} and service network {services} overlap: choose others with --pod-cidr and --service-cidr"
            )

    def host_of(self, port: str) -> str:
        """The address on which the port of that field is opened."""
        return self.listen if port in ("http_port", "https_port") else self.api_host

    @property
    def api_address(self) -> IPv4Address:
        """The ClusterIP of the `kubernetes` Service: the service network's first address."""
        return IPv4Network(self.service_cidr)[1]

    @property
    def dns_address(self) -> IPv4Address:
        return IPv4Network(self.service_cidr)[10]

    @property
    def gateway_address(self) -> IPv4Address:
        """The pod bridge's own address: how pods reach the node."""
        return IPv4Network(self.pod_cidr)[1]

    @classmethod
    def load(cls, home: Home) -> "Settings | None":
        """The instance's settings, None when the home holds no instance; raises SettingsError for a file that is no settings."""
        try:
            stored: dict[str, Any] = json.loads(home.settings.read_text())
            known = {f.name for f in fields(cls)}
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in stored.items() if key in known
            }
            return cls(**values)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError) as error:
            raise SettingsError(f"{home.settings} is damaged ({error}): repair it, or remove the instance with `ph destroy`") from error

    def save(self, home: Home) -> None:
        """Written whole or not at all, also when the power fails."""
        home.path.mkdir(parents=True, exist_ok=True)
        draft = home.settings.with_suffix(".new")
        with draft.open("w") as file:
            file.write(json.dumps(asdict(self), indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(home.settings)

    def changed(self, **values: Any) -> "Settings":
        """A copy with the values that are not None."""
        return replace(self, **{key: value for key, value in values.items() if value is not None})


def _address(option: str, text: str) -> None:
    try:
        ip_address(text)
    except ValueError as error:
        raise SettingsError(f"--{option} {text!r} is not an IP address such as 0.0.0.0 (every address of this machine)") from error


def _network(option: str, text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise SettingsError(f"--{option} {text!r} is not an IPv4 network such as 10.244.0.0/16") from error
    if network.prefixlen > 24:
        raise SettingsError(f"--{option} {text} is too small: it needs at least a /24")
    return network
