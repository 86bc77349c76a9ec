"""What a build's pod tells its containers, in environment variables."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """source: the fetched tree; context: the folder of it that is built; written: the Dockerfile's copy outside the tree.

    dockerfile: its path inside the context, "Dockerfile" for a made one (`is_generated`). target: the stage that is built, "" for
    the last. stand_ins: base images come from the platform's registry. uid: of the Build. attempt: which one after the first, 0 for
    that. timeout_s: for the steps. storage: of layers, kept between builds. environment: the host's settings without secrets;
    credentials: those with, no folder where the build may not have them; steps: made of both for the steps.
    """

    source: Path
    context: Path
    written: Path
    dockerfile: str
    generated: Path
    is_generated: bool
    target: str
    args: Mapping[str, str]
    image: str
    registry: str
    stand_ins: bool
    mirror: str
    uid: str
    attempt: int
    timeout_s: float
    no_cache: bool
    storage: Path
    storage_limit: int
    environment: Path
    credentials: Path
    steps: Path
    termination: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        workspace = Path(environ.get("WORKSPACE", "/workspace"))
        return cls(
            source=workspace / "source",
            context=workspace / "source" / environ.get("CONTEXT", ""),
            written=workspace / "Dockerfile",
            dockerfile="Dockerfile" if environ.get("INLINE") else environ.get("DOCKERFILE") or "Dockerfile",
            generated=workspace / "generated",
            is_generated=bool(environ.get("INLINE")) or (workspace / "generated").exists(),
            target=environ.get("TARGET", ""),
            args=json.loads(environ.get("BUILD_ARGS") or "{}"),
            image=environ.get("IMAGE", ""),
            registry=environ.get("REGISTRY", ""),
            stand_ins=bool(environ.get("STAND_INS")),
            mirror=environ.get("MIRROR", ""),
            uid=environ.get("BUILD_UID", ""),
            attempt=int(environ.get("ATTEMPT") or 0),
            timeout_s=float(environ.get("TIMEOUT_S") or 1800),
            no_cache=bool(environ.get("NO_CACHE")),
            storage=Path(environ.get("STORAGE", "/var/lib/containers")),
            storage_limit=int(environ.get("STORAGE_LIMIT") or 20 << 30),
            environment=Path(environ.get("ENVIRONMENT", "/etc/pilothouse")),
            credentials=Path(environ.get("CREDENTIALS", "/etc/pilothouse-credentials")),
            steps=Path(environ.get("STEPS", "/dev/shm/pilothouse")),  # noqa: S108 -- in memory: it may hold passwords
            termination=Path(environ.get("TERMINATION", "/dev/termination-log")),
        )
