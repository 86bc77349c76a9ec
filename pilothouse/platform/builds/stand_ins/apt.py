"""The host's own package sources and network settings of apt, as another apt can take them."""

import re

from pilothouse.aio.process import run

_TARGETS = "$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)"
_SETTING = re.compile(r'^Acquire::(?:https?|Retries|ForceIPv[46]|Check-Valid-Until|Check-Date)\b.* "[^"]+";$')


async def sources(suite: str) -> list[str]:
    """Lines of a sources.list for the suite and what belongs to it (updates, security); empty when apt knows none."""
    done = await run(["apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages"], timeout_s=30)
    return source_lines(done.stdout.decode(errors="replace"), suite) if done.returncode == 0 else []


def source_lines(targets: str, suite: str) -> list[str]:
    """Other repositories of the host (a vendor's, a newer release's) are none of a base image's business."""
    found: dict[str, None] = {}
    for line in targets.splitlines():
        uri, release, codename, component = (*line.split(), "", "", "", "")[:4]
        if component and (codename == suite or codename.startswith(f"{suite}-") or release.startswith((suite, f"{suite}-"))):
            found[f"deb {uri} {release} {component}"] = None
    return sorted(found)


async def settings() -> list[str]:
    """Lines of an apt.conf: proxies, certificates, retries."""
    done = await run(["apt-config", "dump"], timeout_s=30)
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    return [line for line in lines if _SETTING.match(line)]


def for_release(lines: list[str], host: str, suite: str) -> list[str]:
    """The sources of another release of the same archive: `bookworm-security` becomes `trixie-security`."""
    return [re.sub(rf"(?<= ){re.escape(host)}(?=[- /])", suite, line) for line in lines]
