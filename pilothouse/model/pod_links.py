"""How the host's ends of pods' links are called, for those who list a machine's interfaces."""

import re

LINK_PREFIX = "ph"
_LINK = re.compile(rf"{LINK_PREFIX}[0-9a-f]{{12}}")


def is_pod_link(name: str) -> bool:
    return _LINK.fullmatch(name) is not None
