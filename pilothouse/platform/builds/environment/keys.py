"""The settings of `ph config`."""

from collections.abc import Mapping

from pilothouse.model.digits import natural

KEYS = {
    "pip.index-url": "the package index that pip uses",
    "pip.extra-index-url": "more package indexes, separated by spaces",
    "pip.trusted-host": "hosts that pip may reach without a valid certificate",
    "npm.registry": "the registry that npm uses",
    "npm.token": "the access token for npm.registry, a secret",
    "go.proxy": "the module proxy that Go uses (GOPROXY)",
    "go.sumdb": "the checksum database that Go asks, or `off` (GOSUMDB)",
    "gem.source": "the source of gems that gem and bundler use",
    "cargo.registry": "the index in crates.io's place, as `sparse+https://...`",
    "maven.mirror": "the repository in Maven Central's place, for Maven",
    "apt.proxy": "the proxy that apt uses",
    "proxy.http": "HTTP proxy of builds",
    "proxy.https": "HTTPS proxy of builds",
    "proxy.no": "hosts that are reached without a proxy",
    "registry.mirror": "a mirror of docker.io to pull base images from",
    "ca": "a file with the CA certificates that builds trust",
    "build.credentials": "namespaces whose builds get passwords and tokens, separated by spaces, or `*` (none)",
    "build.timeout": "seconds after which the steps of a build are stopped (1800)",
    "build.store": "GiB that layers and caches of earlier builds may take on the node (20)",
}
"""The settings, with what each means."""
NUMBERS = {"build.timeout": (10, 86_400), "build.store": (1, 100_000)}
"""Settings that are whole numbers, with the least and the most."""
CREDENTIALS_FOR = "build.credentials"
SECRETS = frozenset({"npm.token"})
"""Settings whose whole value is secret; of the others the user and the password of an address are."""


def number(config: Mapping[str, str], key: str, default: int) -> int:
    """A setting that is a whole number; the default where it is not set, or was written by hand as something else."""
    least, most = NUMBERS[key]
    stated = natural(config.get(key, ""))
    return default if stated is None else min(max(stated, least), most)


def may_have_credentials(config: Mapping[str, str], namespace: str) -> bool:
    """Whether the operator gave passwords and tokens to the builds of a namespace."""
    return bool({namespace, "*"} & set(config.get(CREDENTIALS_FOR, "").replace(",", " ").split()))
