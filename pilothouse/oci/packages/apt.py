"""The host's own package sources and network settings of apt, as another apt can take them; and why such an apt failed."""

import re

from pilothouse.aio.process import run

_TARGETS = "$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)"
_SETTING = re.compile(r'^Acquire::(?:https?|Retries|ForceIPv[46]|Check-Valid-Until|Check-Date)\b.* "[^"]+";$')
_CAUSES = (
    (re.compile(r"No space left on device|not enough free space|ENOSPC"), "the disk is full: free some space"),
    (re.compile(r"Could not resolve|Temporary failure resolving"), "the package mirror's name cannot be resolved: look at the network"),
    (re.compile(r"[Cc]ertificate verif|SSL connection failed"), "the package mirror's certificate is refused: add its CA to the machine"),
    (re.compile(r"(?:404|403) +(?:Not Found|Forbidden)|does not have a Release file"), "the package mirror does not have them"),
    (
        re.compile(r"NO_PUBKEY|is not signed|couldn't be verified"),
        "the package mirror's signature cannot be checked: install debian-archive-keyring",
    ),
    (re.compile(r"is expired \(invalid since|not valid yet"), "the package mirror's index and this machine's clock do not agree"),
    (re.compile(r"Could not connect|Connection (?:refused|timed out|failed)|Unable to connect"), "the package mirror cannot be reached"),
    (re.compile(r"Unable to locate package (\S+)|has no installation candidate"), "the package mirror does not have all of the packages"),
)
_PACKAGE_ERROR = re.compile(r"^(?:dpkg(?:-\w+)?|cp|mv|ln|chroot|useradd|install): (?:error|cannot|failed)|^\S+: error: ")


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


def reason(said: str) -> str:
    """What the output of apt or mmdebstrap says in the end, in one sentence: a cause that is known, else its first error."""
    for pattern, cause in _CAUSES:
        if found := pattern.search(said):
            line = next(line for line in said.splitlines() if found[0] in line)
            return f"{cause} ({line.strip()[:200]})"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # A package's own complaint says more than that of the program that called it.
    errors = [line for line in lines if _PACKAGE_ERROR.match(line)] or [line for line in lines if line.startswith(("E:", "Err:"))]
    return (errors or lines[-1:] or ["it gave no reason"])[0][:300]
