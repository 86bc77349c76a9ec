"""The variables of `ph up` that an instance's processes need, as a file that systemd reads: a unit starts without those of anybody's shell.

Those that `docs/reference/settings.md` names, and no others: what else is in somebody's environment is none of the instance's business.
"""

import re
from collections.abc import Mapping

_CARRIED = re.compile(
    r"(https?|no|all)_proxy|pip_\w+|npm_config_\w+|npm_token|goproxy|gosumdb|goenv|ssl_cert_(file|dir)|home", re.IGNORECASE
)
_SPECIAL = re.compile(r'[$`"\\]')


def environment_file(environ: Mapping[str, str]) -> str:
    """Source: systemd.exec(5), EnvironmentFile=: within double quotes a backslash stands before these four."""
    carried = {name: value for name, value in sorted(environ.items()) if _CARRIED.fullmatch(name)}
    return "".join(f'{name}="{_SPECIAL.sub(_escaped, value)}"\n' for name, value in carried.items())


def _escaped(found: re.Match[str]) -> str:
    return "\\" + found[0]
