"""How the host's ends of pods' links are called and grouped, for those who list a machine's interfaces or match on them."""

import hashlib
import re

LINK_PREFIX = "ph"
_LINK = re.compile(rf"{LINK_PREFIX}[0-9a-f]{{12}}")


def is_pod_link(name: str) -> bool:
    return _LINK.fullmatch(name) is not None


def group_of(instance: str) -> int:
    """The link group of an instance's pods. From 1 on, of 31 bits: 0 is the group of all other links."""
    return int.from_bytes(hashlib.sha256(f"pods of {instance}".encode()).digest()[:4], "big") >> 1 or 1
