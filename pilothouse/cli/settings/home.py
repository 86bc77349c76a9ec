"""Where an instance keeps its state and what it was started with.

Everything of an instance lives under its home; `instance` is a short name derived from the home's path that marks what an
instance puts elsewhere on the machine (links, nftables tables, cgroups), so that several run side by side.
"""

import hashlib
import json
import os
import re
import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import Any

from pilothouse.cli.settings import networks
from pilothouse.engine.node.config import HARD
from pilothouse.engine.node.eviction import thresholds
from pilothouse.model.admission_plugins import ON_REQUEST
from pilothouse.model.names import dns1123_subdomain
from pilothouse.model.networks import Network, families, in_order, split
from pilothouse.model.networks import of as networks_of
from pilothouse.model.node_objects import MOST_SIMULATED
from pilothouse.model.sysctls import wrong_pattern

SYNC_BOUNDS_S = (3, 300)
AUDIT_MODES = ("batch", "blocking-strict", "off")
DEFAULT_HOME = Path("/var/lib/pilothouse")
BUILDER = "/var/lib/pilothouse/builder"
"""What pods call the builder's store, wherever a node's home is. On clusters that are not ours it is this very path."""


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
    def environment(self) -> Path:
        """Variables for the units of systemd."""
        return self.run / "environment"

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
    def audit_log(self) -> Path:
        return self.log / "audit"

    @property
    def audit_policy(self) -> Path:
        return self.path / "audit-policy.yaml"

    @property
    def scheduler_config(self) -> Path:
        return self.path / "scheduler-config.yaml"

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

    @property
    def further_nodes(self) -> Path:
        """The homes of the instance's further nodes on this machine, by number."""
        return self.path / "nodes"

    def further(self) -> "list[Home]":
        """Of those that there are, in order."""
        numbers = sorted(int(path.name) for path in self.further_nodes.glob("[0-9]*") if path.name.isdigit())
        return [Home(self.further_nodes / str(number)) for number in numbers]


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instance was started with; kept in its home so that the next `ph up` is the same instance.

    Ports of 0 mean that the next free one is taken at the first start. listen: the address of the gateway's two ports; the API
    server, the registry and Envoy's administration stay on loopback. domain: under it an app without a host gets its own.
    kubelet_address: where the node's kubelet API is opened. eviction_*: in the syntax of kubelet's flags.
    allow_sysctls: kernel parameters, or beginnings of some with a `*` at the end, that pods may set beside those that are safe.
    enable_admission_plugins: those of `admission_plugins.ON_REQUEST` that the API server has.
    nodeport_addresses: networks in which addresses of this machine answer on node ports; none: loopback, the node's and its gateway's.
    pod_cidr, service_cidr, and all other networks and node addresses: one, or one of each IP family with a comma, the primary one first.
    api_listen: further addresses of the API server, for nodes of other machines; "" for none. node_cidr: this node's part of pod_cidr; "":
    all of it, or not known yet. nodes_cidr: the network between the nodes of this machine, "" while there is one node only.
    server: the API server of the cluster that this node has joined; "" for an instance with a control plane of its own.
    reaches_registry: whether such a cluster has a registry, at registry_port. node_address:
    by which other nodes reach this one; "" to find it out. parent: the home of the instance of which this is a further node here.
    audit_mode: whether requests wait for their records (blocking-strict), or not (batch), or are not recorded (off).
    autoscaler_sync_s: how often autoscalers look at their metrics. scheduler_config: the file with the scheduler's profiles, absolute; ""
    for the default one; the home has a copy. simulate_nodes: how many nodes there are to be that are no machines.
    """

    api_host: str = "127.0.0.1"
    api_port: int = 6443
    http_port: int = 80
    https_port: int = 443
    registry_port: int = 5000
    kubelet_port: int = 10250
    kubelet_address: str = "127.0.0.1"
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    api_listen: str = ""
    node_cidr: str = ""
    nodes_cidr: str = ""
    server: str = ""
    reaches_registry: bool = False
    node_address: str = ""
    parent: str = ""
    node_port_range: tuple[int, int] = (30000, 32767)
    node_name: str = field(default_factory=lambda: os.uname().nodename.split(".")[0].lower() or "node")
    cluster_domain: str = "cluster.local"
    platform: bool = True
    listen: str = "127.0.0.1"
    domain: str = "localhost"
    store_quota_mib: int = 256
    audit_mode: str = "batch"
    audit_file_mib: int = 50
    audit_files: int = 10
    audit_days: int = 30
    eviction_hard: str = HARD
    eviction_soft: str = ""
    eviction_soft_grace_period: str = ""
    eviction_minimum_reclaim: str = ""
    eviction_pressure_transition_s: int = 300
    eviction_max_pod_grace_s: int = 0
    allow_sysctls: tuple[str, ...] = ()
    enable_admission_plugins: tuple[str, ...] = ()
    nodeport_addresses: tuple[str, ...] = ()
    autoscaler_sync_s: int = 15
    scheduler_config: str = ""
    simulate_nodes: int = 0

    def __post_init__(self) -> None:
        _types(self)
        _listen(self.listen)
        _kubelet_address(self.kubelet_address)
        self._check_eviction()
        if self.api_listen:
            _api_listen(self.api_listen)
        if dns1123_subdomain(self.domain):
            raise SettingsError(f"--domain {self.domain!r} is not a domain such as apps.example.com")
        if not isinstance(self.store_quota_mib, int) or self.store_quota_mib < 1:
            raise SettingsError(f"store_quota_mib {self.store_quota_mib!r} is no size: give whole mebibytes, such as 256")
        if self.audit_mode not in AUDIT_MODES:
            raise SettingsError(f"audit_mode {self.audit_mode!r} is none of {', '.join(AUDIT_MODES)}")
        for name in ("audit_file_mib", "audit_files", "audit_days"):
            if not isinstance(value := getattr(self, name), int) or isinstance(value, bool) or value < 1:
                raise SettingsError(f"{name} {value!r} is no whole number from 1 on, such as {Settings.__dataclass_fields__[name].default}")
        least_s, most_s = SYNC_BOUNDS_S
        if not _is_number(self.autoscaler_sync_s) or not least_s <= self.autoscaler_sync_s <= most_s:
            raise SettingsError(f"autoscaler_sync_s {self.autoscaler_sync_s!r} is no whole number of seconds from {least_s} to {most_s}")
        if not _is_number(self.simulate_nodes) or not 0 <= self.simulate_nodes <= MOST_SIMULATED:
            raise SettingsError(f"--simulate-nodes {self.simulate_nodes!r} is no whole number from 0 to {MOST_SIMULATED}")
        for pattern in self.allow_sysctls:
            if why := wrong_pattern(pattern):
                raise SettingsError(f"--allow-sysctls: {pattern!r} {why}")
        for name in self.enable_admission_plugins:
            if name not in ON_REQUEST:
                raise SettingsError(
                    f"--enable-admission-plugins: {name!r} is none of {', '.join(ON_REQUEST)}; the others that there are are always on"
                )
        for network in self.nodeport_addresses:
            _nodeport_network(network)
        try:
            networks.check(networks.parse("pod-cidr", self.pod_cidr), networks.parse("service-cidr", self.service_cidr))
        except networks.NetworkError as error:
            raise SettingsError(str(error)) from error

    def _check_eviction(self) -> None:
        """Raises SettingsError."""
        texts = ("eviction_hard", "eviction_soft", "eviction_soft_grace_period", "eviction_minimum_reclaim")
        if wrong := next((name for name in texts if not isinstance(getattr(self, name), str)), ""):
            raise SettingsError(f"{wrong} {getattr(self, wrong)!r} is no text such as {HARD!r}")
        for name in ("eviction_pressure_transition_s", "eviction_max_pod_grace_s"):
            if not isinstance(value := getattr(self, name), int) or isinstance(value, bool) or value < 0:
                raise SettingsError(f"{name} {value!r} is no whole number of seconds from 0 on")
        try:
            thresholds.parse(*(getattr(self, name) for name in texts))
        except thresholds.ThresholdError as error:
            raise SettingsError(f"eviction_*: {error}") from error

    def host_of(self, port: str) -> str:
        """The address on which the port of that field is opened."""
        if port == "kubelet_port":
            return self.kubelet_address
        return self.listen if port in ("http_port", "https_port") else self.api_host

    @property
    def pod_networks(self) -> tuple[Network, ...]:
        """One of each IP family that the instance has, the primary one first; so with all properties of several values here."""
        return networks_of(self.pod_cidr)

    @property
    def service_networks(self) -> tuple[Network, ...]:
        return networks_of(self.service_cidr)

    @property
    def pod_cidrs(self) -> tuple[str, ...]:
        return tuple(map(str, self.pod_networks))

    @property
    def service_cidrs(self) -> tuple[str, ...]:
        return tuple(map(str, self.service_networks))

    @property
    def node_cidrs(self) -> tuple[str, ...]:
        return tuple(map(str, self.node_networks))

    @property
    def families(self) -> tuple[str, ...]:
        """IPv4, IPv6 or both."""
        return families(self.pod_networks)

    @property
    def api_addresses(self) -> tuple[str, ...]:
        """The service networks' first addresses; the primary one is the ClusterIP of the `kubernetes` Service."""
        return tuple(str(network[1]) for network in self.service_networks)

    @property
    def dns_addresses(self) -> tuple[str, ...]:
        return tuple(str(network[10]) for network in self.service_networks)

    @property
    def node_networks(self) -> tuple[Network, ...]:
        """The addresses of this node's pods."""
        return networks_of(self.node_cidr or self.pod_cidr)

    @property
    def gateway_addresses(self) -> tuple[str, ...]:
        """The pod network's own addresses on this node: how pods reach it."""
        return tuple(str(network[1]) for network in self.node_networks)

    @property
    def gateway_address(self) -> str:
        return self.gateway_addresses[0]

    @property
    def nodes_networks(self) -> tuple[Network, ...]:
        """Between the nodes of this machine."""
        return networks_of(self.nodes_cidr)

    @property
    def nodes_gateways(self) -> tuple[str, ...]:
        """This machine's addresses in the network between its nodes; none where there is none."""
        return tuple(str(network[1]) for network in self.nodes_networks)

    @property
    def addresses(self) -> tuple[str, ...]:
        """By which other nodes reach this one, one of a family; where there can be none, the pods' gateways."""
        stated = split(self.node_address) or split(self.api_listen) or self.nodes_gateways
        return in_order(stated or self.gateway_addresses, self.families)

    @property
    def address(self) -> str:
        return self.addresses[0]

    @classmethod
    def load(cls, home: Home) -> "Settings | None":
        """The instance's settings, None when the home holds no instance; raises SettingsError for a file that is no settings."""
        try:
            values, _ = cls._read(home)
            return cls(**values)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError) as error:
            removal = f"ph --home {shlex.quote(str(home.path))} destroy"
            raise SettingsError(f"{home.settings} is damaged ({error}): repair it, or remove what is there with `{removal}`") from error

    @classmethod
    def salvaged(cls, home: Home) -> "Settings":
        """For the removal of an instance: what can be read, and else the defaults. Names of links, tables and cgroups need none of it."""
        try:
            stored, _ = cls._read(home)
        except (OSError, ValueError, AttributeError):
            stored = {}
        found = cls()
        for name, value in (*stored.items(), *stored.items()):  # Twice: a network is refused while another has its default.
            with suppress(SettingsError, ValueError, TypeError, AttributeError):
                found = replace(found, **{name: value})
        return found

    @classmethod
    def is_readable(cls, home: Home) -> bool:
        """Whether the file says anything at all, so that `salvaged` returns more than defaults."""
        try:
            return bool(cls._read(home)[0])
        except (OSError, ValueError, AttributeError):
            return False

    @classmethod
    def unknown(cls, home: Home) -> list[str]:
        """What stands in the file and is no setting of this version, one of a later version perhaps, sorted. Call it after `load`."""
        return sorted(cls._read(home)[1]) if home.settings.exists() else []

    @classmethod
    def _read(cls, home: Home) -> tuple[dict[str, Any], list[str]]:
        """The values that are settings, and the names of those that are none."""
        stored: dict[str, Any] = json.loads(home.settings.read_text())
        known = {f.name for f in fields(cls)}
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items() if key in known}
        return values, [key for key in stored if key not in known]

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


def _types(settings: Settings) -> None:
    """What an editor may have put into the file in the place of a port, a switch or a name."""
    for name in ("api_port", "http_port", "https_port", "registry_port", "kubelet_port"):
        has_none = name == "registry_port" and bool(settings.server) and settings.registry_port == 0
        if not has_none and not _is_port(port := getattr(settings, name)):
            raise SettingsError(f"{name} {port!r} is no port: give a number from 1 to 65535")
    if not isinstance(settings.platform, bool):
        raise SettingsError(f"platform {settings.platform!r} is neither true nor false")
    for name in ("api_host", "pod_cidr", "service_cidr", "node_name", "cluster_domain", "listen", "domain", "scheduler_config"):
        if not isinstance(text := getattr(settings, name), str):
            raise SettingsError(f"{name} {text!r} is no text")
    ends = settings.node_port_range
    if not (isinstance(ends, tuple) and len(ends) == 2 and all(map(_is_port, ends)) and ends[0] <= ends[1]):
        raise SettingsError(f"node_port_range {list(ends) if isinstance(ends, tuple) else ends!r} is no range such as [30000, 32767]")


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536


def _listen(text: str) -> None:
    try:
        IPv4Address(text)
    except ValueError as error:
        raise SettingsError(f"--listen {text!r} is not an IPv4 address such as 0.0.0.0 (every address of this machine)") from error


def _api_listen(text: object) -> None:
    """One address of a family, since the API server's certificate holds them and `ph token create` hands the first one on."""
    way_out = "give the address by which other machines reach this one, such as 10.0.0.1, or one of each IP family with a comma"
    try:
        if not isinstance(text, str):
            raise ValueError(text)
        addresses = [ip_address(part) for part in split(text)]
    except ValueError as error:
        raise SettingsError(f"--api-listen {text!r} is no IP address: {way_out}") from error
    if any(address.is_unspecified or address.is_loopback or address.is_link_local for address in addresses):
        raise SettingsError(f"--api-listen {text} is no address that another machine could ask: {way_out}")
    if len({address.version for address in addresses}) < len(addresses):
        raise SettingsError(f"--api-listen {text} has two addresses of one family: {way_out}")


def _nodeport_network(text: object) -> None:
    try:
        if not isinstance(text, str):
            raise ValueError(text)
        ip_network(text, strict=False)
    except ValueError as error:
        raise SettingsError(f"--nodeport-addresses: {text!r} is no network such as 10.0.0.0/8 (0.0.0.0/0: every address)") from error


def _kubelet_address(text: object) -> None:
    try:
        if not isinstance(text, str):
            raise ValueError(text)
        IPv4Address(text)
    except ValueError as error:
        raise SettingsError(f"kubelet_address {text!r} is not an IPv4 address such as 127.0.0.1 (0.0.0.0: all of this machine)") from error
