"""Addresses that an API object may not point traffic to: those that mean "here" or nowhere in particular."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause


def ordinary(address: str, path: str) -> list[Cause]:
    """No unspecified, loopback or link-local address."""
    found = names.parse_ip(address)
    if found is None:
        return [field.invalid(path, address, "must be a valid IP address")]
    causes: list[Cause] = []
    if found.is_unspecified:
        causes.append(field.invalid(path, address, "may not be unspecified (0.0.0.0 or ::)"))
    if found.is_loopback:
        causes.append(field.invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if found.is_link_local:
        causes.append(field.invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if found.is_multicast and address.startswith(("224.0.0.", "ff02:")):
        causes.append(field.invalid(path, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
    return causes
