"""Passwords and tokens in settings: recognised, taken out, masked."""

import re
from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.builds.environment.found import Found
from pilothouse.platform.builds.environment.keys import SECRETS

# Up to the last @ of the address: a password may hold one.
_USER = re.compile(r"(\w+://)[^/\s]*@")
_PASSWORD = re.compile(r"(\w+://[^/\s:@]*:)[^/\s]*@")
_TOKEN = re.compile(r"(\w+://)[^/\s:@]+@")
_NPM_SECRET = re.compile(r":_(?:authToken|auth|password)$|:username$")
MASK = "***"


def has_secret(key: str, value: str) -> bool:
    """Whether a value of `ph config` must not be shown: `https://user:password@host`, `https://token@host`, a token."""
    return bool(value) and (key in SECRETS or bool(_USER.search(value)))


def without_secret(key: str, value: str) -> str | None:
    """What may be read by everybody who may read settings, None when that is nothing."""
    return None if key in SECRETS else _USER.sub(r"\1", value)


def masked(key: str, value: str) -> str:
    """As it can be shown: `https://user:***@host/`; a user alone is a token."""
    if key in SECRETS:
        return MASK if value else ""
    return _TOKEN.sub(rf"\1{MASK}@", _PASSWORD.sub(rf"\1{MASK}@", value))


def public(found: Found) -> Found:
    """The same settings without users, passwords and tokens."""
    return replace(
        found,
        pip=_stripped(found.pip),
        npm=_stripped({key: value for key, value in found.npm.items() if not _NPM_SECRET.search(key)}),
        tools=_stripped({key: value for key, value in found.tools.items() if key not in SECRETS}),
        apt_proxy=_USER.sub(r"\1", found.apt_proxy),
        proxies=_stripped(found.proxies),
    )


def _stripped(values: Mapping[str, str]) -> dict[str, str]:
    return {key: _USER.sub(r"\1", value) for key, value in values.items()}
