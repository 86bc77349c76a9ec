"""Which strings may be names, keys, values and addresses: validators that answer with what is wrong, in upstream's wording.

Each takes the string and returns messages; no message means valid. The messages go behind a field's path, so none names its field.
Source: apimachinery/pkg/util/validation, apimachinery/pkg/api/validate/content.
"""

import ipaddress
import re
from collections.abc import Callable

Validator = Callable[[str], list[str]]

MAX_LABEL = 63
MAX_SUBDOMAIN = 253
MAX_CONFIG_KEY = 253
MAX_PORT_NAME = 15
MAX_ID = 2**31 - 1

NON_EMPTY = "must be non-empty"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_WITH_UNDERSCORES = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_WITH_UNDERSCORES = rf"{_LABEL_WITH_UNDERSCORES}(\.{_LABEL_WITH_UNDERSCORES})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED_CHARS = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED_CHARS})?"

_KEY_CHARS = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


def explain(message: str, pattern: str, *examples: str) -> str:
    """Upstream's sentence for a string that does not match a pattern (its double spaces are upstream's, too)."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def too_long(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def out_of_range(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


_match_label = re.compile(_LABEL).fullmatch
_match_subdomain = re.compile(_SUBDOMAIN).fullmatch
_match_subdomain_with_underscores = re.compile(_SUBDOMAIN_WITH_UNDERSCORES).fullmatch
_match_label_1035 = re.compile(_LABEL_1035).fullmatch
_match_wildcard = re.compile(rf"\*\.{_SUBDOMAIN}").fullmatch
_match_qualified = re.compile(_QUALIFIED_CHARS).fullmatch
_match_qualified_name = re.compile(f"({_SUBDOMAIN}/)?{_QUALIFIED_CHARS}").fullmatch
_match_label_value = re.compile(_LABEL_VALUE).fullmatch
_match_config_key = re.compile("[-._a-zA-Z0-9]+").fullmatch
_match_header = re.compile("[-A-Za-z0-9]+").fullmatch
_match_percent = re.compile("[0-9]+%").fullmatch
_match_port_name = re.compile("[-a-z0-9]+").fullmatch
_match_printable = re.compile("[ -<>-~]+").fullmatch

_NOT_A_LABEL = explain(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric"
    " character",
    _LABEL,
    "my-name",
    "123-abc",
)
_NOT_A_SUBDOMAIN = explain(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an"
    " alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_NOT_A_SUBDOMAIN_WITH_UNDERSCORES = explain(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an"
    " alphanumeric character",
    _SUBDOMAIN_WITH_UNDERSCORES,
    "example.com",
)
_NOT_A_LABEL_1035 = explain(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an"
    " alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_NOT_A_WILDCARD = explain(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric"
    " characters, '-' or '.' and end with an alphanumeric character",
    rf"\*\.{_SUBDOMAIN}",
    "*.example.com",
)
_NOT_A_LABEL_VALUE = explain(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_NAME_PART = explain(_KEY_CHARS, _QUALIFIED_CHARS, "MyName", "my.name", "123-abc")
_NOT_A_CONFIG_KEY = explain(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'", "[-._a-zA-Z0-9]+", "key.name", "KEY_NAME", "key-name"
)
_NOT_A_HEADER = explain("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", "X-Header-Name")
_NOT_A_PERCENT = explain("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%")


def dns1123_label(value: str) -> list[str]:
    """Names of namespaces, containers, volumes."""
    if _match_label(value) and len(value) <= MAX_LABEL:
        return []
    found = [too_long(MAX_LABEL)] if _size(value) > MAX_LABEL else []
    if not _match_label(value):
        found.append("must not contain dots" if _match_subdomain(value) else _NOT_A_LABEL)
    return found


def dns1123_subdomain(value: str) -> list[str]:
    """Names of most objects."""
    if _match_subdomain(value) and len(value) <= MAX_SUBDOMAIN:
        return []
    found = [too_long(MAX_SUBDOMAIN)] if _size(value) > MAX_SUBDOMAIN else []
    return found if _match_subdomain(value) else [*found, _NOT_A_SUBDOMAIN]


def dns1123_subdomain_with_underscores(value: str) -> list[str]:
    """Search domains of the DNS: service records begin with an underscore."""
    found = [too_long(MAX_SUBDOMAIN)] if _size(value) > MAX_SUBDOMAIN else []
    return found if _match_subdomain_with_underscores(value) else [*found, _NOT_A_SUBDOMAIN_WITH_UNDERSCORES]


def dns1035_label(value: str) -> list[str]:
    """Names of services."""
    if _match_label_1035(value) and len(value) <= MAX_LABEL:
        return []
    found = [too_long(MAX_LABEL)] if _size(value) > MAX_LABEL else []
    return found if _match_label_1035(value) else [*found, _NOT_A_LABEL_1035]


def wildcard_subdomain(value: str) -> list[str]:
    """`*.example.com`, as a host of an ingress."""
    found = [too_long(MAX_SUBDOMAIN)] if _size(value) > MAX_SUBDOMAIN else []
    return found if _match_wildcard(value) else [*found, _NOT_A_WILDCARD]


def qualified_name(value: str) -> list[str]:
    """Keys of labels and annotations, names of extended resources: `[prefix/]name`."""
    if len(value) <= MAX_LABEL and _match_qualified_name(value):
        return []
    prefix, slash, own = value.partition("/")
    if "/" in own:
        tail = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_NAME_PART}{tail}"]
    found = []
    if slash:
        found = [f"prefix part {message}" for message in dns1123_subdomain(prefix)] if prefix else [f"prefix part {NON_EMPTY}"]
    return found + _name_part(own if slash else prefix)


def _name_part(value: str) -> list[str]:
    if _match_qualified(value) and len(value) <= MAX_LABEL:
        return []
    found = []
    if not value:
        found.append(f"name part {NON_EMPTY}")
    elif _size(value) > MAX_LABEL:
        found.append(f"name part {too_long(MAX_LABEL, 'bytes')}")
    return found if _match_qualified(value) else [*found, f"name part {_NAME_PART}"]


def label_value(value: str) -> list[str]:
    if _match_label_value(value) and len(value) <= MAX_LABEL:
        return []
    found = [too_long(MAX_LABEL, "bytes")] if _size(value) > MAX_LABEL else []
    return found if _match_label_value(value) else [*found, _NOT_A_LABEL_VALUE]


def config_map_key(value: str) -> list[str]:
    """Keys of config maps and secrets: they become file names."""
    found = [too_long(MAX_CONFIG_KEY)] if _size(value) > MAX_CONFIG_KEY else []
    if not _match_config_key(value):
        found.append(_NOT_A_CONFIG_KEY)
    return found + _climbs(value)


def _climbs(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def env_var_name(value: str) -> list[str]:
    if not value:
        return [f"environment variable name {NON_EMPTY}"]
    if _match_printable(value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def port_name(value: str) -> list[str]:
    """An IANA service name (RFC 6335): how container and service ports are referred to."""
    found = [too_long(MAX_PORT_NAME)] if _size(value) > MAX_PORT_NAME else []
    if not _match_port_name(value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value[:1] == "-" or value[-1:] == "-":
        found.append("must not begin or end with a hyphen")
    return found


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [out_of_range(1, 65535)]


def user_id(value: int) -> list[str]:
    """Numbers of users and groups."""
    return [] if 0 <= value <= MAX_ID else [out_of_range(0, MAX_ID)]


def path_segment(value: str) -> list[str]:
    """Names that need only fit between two slashes of a URL, as those of roles and role bindings."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{mark}'" for mark in "/%" if mark in value]


def path_segment_prefix(value: str) -> list[str]:
    """A generateName for such names."""
    return [f"may not contain '{mark}'" for mark in "/%" if mark in value]


def prefix_of(validator: Validator) -> Validator:
    """The validator for a generateName: a trailing dash is fine, since a suffix follows."""

    def check(value: str) -> list[str]:
        return validator(value[:-1] + "a" if value.endswith("-") and len(value) > 1 else value)

    return check


def http_header_name(value: str) -> list[str]:
    return [] if _match_header(value) else [_NOT_A_HEADER]


def percent(value: str) -> list[str]:
    return [] if _match_percent(value) else [_NOT_A_PERCENT]


def fully_qualified_name(value: str) -> list[str]:
    """At least three segments; an empty value is the caller's to require."""
    found = dns1123_subdomain(value)
    if not found and value.count(".") < 2:
        found.append("should be a domain with at least three segments separated by dots")
    return found


def domain_prefixed_path(value: str) -> list[str]:
    """`acme.io/foo`: finalizers of managers, custom actions."""
    domain, slash, path = value.partition("/")
    if not slash or not domain or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    found = dns1123_subdomain(domain)
    if not re.fullmatch(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", path):
        found.append(explain("Invalid path", r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"))
    return found


def ip(value: str) -> list[str]:
    return [] if parse_ip(value) else ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]


def parse_ip(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, or None. Zones (`fe80::1%eth0`) are not addresses here."""
    if "%" in value:
        return None
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def cidr(value: str) -> list[str]:
    return [] if parse_cidr(value) else ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]


def parse_cidr(value: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """Address and network (`10.9.8.7/24` is one, as in Go), or None."""
    address, slash, length = value.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or (length[0] == "0" and length != "0") or "%" in address:
        return None
    try:
        return ipaddress.ip_interface(value)
    except ValueError:
        return None


def _size(value: str) -> int:
    return len(value.encode(errors="surrogatepass"))
