"""How a pod is called and how it calls others: DNS policy and configuration, host aliases, its own host name."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.addresses import validate_address
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
HOSTNAME_MAX = 64
NAMESERVERS_MAX, SEARCHES_MAX, SEARCH_CHARACTERS_MAX = 3, 32, 2048


def validate_dns_policy(policy: str, path: str) -> list[Cause]:
    return field.one_of(path, policy, DNS_POLICIES)


def validate_dns_config(config: Object | None, policy: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if policy == "None":
        if config is None:
            return [field.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            return [field.required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")]
    if not config:
        return causes
    causes += _nameservers(config.get("nameservers") or [], f"{path}.nameservers")
    causes += _searches(config.get("searches") or [], f"{path}.searches")
    return causes + [
        field.required(f"{path}.options[{i}]", "must not be empty")
        for i, option in enumerate(config.get("options") or ())
        if not option.get("name")
    ]


def _nameservers(servers: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(servers) > NAMESERVERS_MAX:
        causes.append(field.invalid(path, servers, f"must not have more than {NAMESERVERS_MAX} nameservers"))
    for i, server in field.until_enough(causes, enumerate(servers)):
        causes += validate_address(server, f"{path}[{i}]")
    return causes


def _searches(searches: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(searches) > SEARCHES_MAX:
        causes.append(field.invalid(path, searches, f"must not have more than {SEARCHES_MAX} search paths"))
    if len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        detail = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
        causes.append(field.invalid(path, searches, detail))
    for i, search in field.until_enough(causes, enumerate(searches)):
        if search != ".":  # A lone dot is the root; a trailing one is fine.
            plain = search.removesuffix(".")
            causes += field.each_invalid(f"{path}[{i}]", plain, names.dns1123_subdomain_with_underscores(plain))
    return causes


def validate_host_aliases(aliases: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, alias in field.until_enough(causes, enumerate(aliases)):
        causes += validate_address(alias.get("ip") or "", f"{path}[{i}].ip")
        for j, host in enumerate(alias.get("hostnames") or ()):
            causes += field.each_invalid(f"{path}[{i}].hostnames[{j}]", host, names.dns1123_subdomain(host))
    return causes


def validate_hostname_override(spec: Object, path: str) -> list[Cause]:
    """path: of the pod's spec."""
    name, here = spec.get("hostnameOverride"), f"{path}.hostnameOverride"
    if name is None:
        return []
    causes = [
        field.forbidden(here, f"may not be specified when {other} is true")
        for other in ("setHostnameAsFQDN", "hostNetwork")
        if spec.get(other)
    ]
    if len(name.encode()) > HOSTNAME_MAX:
        causes.append(field.too_long(here, HOSTNAME_MAX))
    return causes + field.each_invalid(here, name, names.dns1123_subdomain(name))
