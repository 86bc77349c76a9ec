"""How a pod is called and how it calls others: DNS policy and configuration, host aliases."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
NAMESERVERS_MAX, SEARCHES_MAX, SEARCH_CHARACTERS_MAX = 3, 32, 2048


def validate_dns_policy(policy: str, path: str) -> list[Cause]:
    if policy in DNS_POLICIES:
        return []
    return [field.not_supported(path, policy, DNS_POLICIES) if policy else field.required(path)]


def validate_dns_config(config: Object | None, policy: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if policy == "None":
        if config is None:
            return [field.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            causes.append(field.required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None"))
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
        causes += field.each_invalid(f"{path}[{i}]", server, names.ip(server))
    return causes


def _searches(searches: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(searches) > SEARCHES_MAX:
        causes.append(field.invalid(path, searches, f"must not have more than {SEARCHES_MAX} search paths"))
    if len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        detail = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
        causes.append(field.invalid(path, searches, detail))
    for i, search in field.until_enough(causes, enumerate(searches)):
        # A trailing dot is fine, a lone dot is the root, and an underscore may start a label (service records).
        plain = search.removesuffix(".").replace("_", "a")
        causes += field.each_invalid(f"{path}[{i}]", search, names.dns1123_subdomain(plain) if search != "." else [])
    return causes


def validate_host_aliases(aliases: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, alias in field.until_enough(causes, enumerate(aliases)):
        address = alias.get("ip") or ""
        causes += field.each_invalid(f"{path}[{i}].ip", address, names.ip(address))
        for j, host in enumerate(alias.get("hostnames") or ()):
            causes += field.each_invalid(f"{path}[{i}].hostnames[{j}]", host, names.dns1123_subdomain(host))
    return causes
