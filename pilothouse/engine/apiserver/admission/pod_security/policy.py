"""A namespace's labels as the levels that its pods are held to. Source: kubernetes pod-security-admission/api/helpers.go."""

import re
from dataclasses import dataclass

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause

PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("privileged", "baseline", "restricted")
"""From the laxest to the strictest."""
PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Level:
    """minor: of the Kubernetes version 1.x whose standards count; None for the newest."""

    name: str = PRIVILEGED
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.name}:{'latest' if self.minor is None else f'v1.{self.minor}'}"

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.name)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: Level = Level()
    warn: Level = Level()
    audit: Level = Level()


def policy_of(labels: dict[str, str]) -> Policy:
    """What counts. A label that cannot be read forbids at its strictest, and neither warns nor notes."""
    enforce = _level(labels, "enforce", RESTRICTED)
    warn = _level(labels, "warn", PRIVILEGED)
    if f"{PREFIX}warn" not in labels and labels.get(f"{PREFIX}enforce") in LEVELS:
        minor = warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor
        warn = Level(enforce.name, minor) if enforce.strictness > warn.strictness else warn
    return Policy(enforce, warn, _level(labels, "audit", PRIVILEGED))


def _level(labels: dict[str, str], mode: str, otherwise: str) -> Level:
    name = labels.get(PREFIX + mode, PRIVILEGED)
    version = _VERSION.fullmatch(labels.get(f"{PREFIX}{mode}-version", ""))
    return Level(name if name in LEVELS else otherwise, int(version[1]) if version else None)


def causes_of(labels: dict[str, str]) -> list[Cause]:
    """What is wrong with the labels."""
    causes = []
    for mode in ("enforce", "audit", "warn"):
        name, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if name is not None and name not in LEVELS:
            causes.append(field.invalid(f"metadata.labels[{PREFIX}{mode}]", name, f"must be one of {', '.join(LEVELS)}"))
        if version is not None and version != "latest" and not _VERSION.fullmatch(version):
            causes.append(field.invalid(f"metadata.labels[{PREFIX}{mode}-version]", version, 'must be "latest" or "v1.x"'))
    return causes
