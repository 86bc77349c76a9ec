"""What `ph deploy` was asked for, and the App that follows from it, the source and the app as it is (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from pilothouse.cli.apps.origin import ORIGIN
from pilothouse.cli.apps.own_secret import secret_name
from pilothouse.cli.apps.volumes.option import merged
from pilothouse.model import meta
from pilothouse.model.json import Object, copy
from pilothouse.platform.apps.processes import DEFAULT_PORT
from pilothouse.platform.apps.resource import APPS

DERIVED = "apps.pilothouse.dev/derived"
"""Annotation: the fields of the spec that came from the source; each deploy derives them anew."""
NOT_BUILT = frozenset(["NoSource", "NoRegistry"])
"""Reasons of the Built condition that another try does not mend."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for; None and empty mean: as it is, or the default.

    port: 0 for none, -1 for the derived one. hosts, cpu, memory, health, dockerfile, target: "" takes a setting off.
    volumes: the fields of a volume that are given, by name. unmounted: volumes that are taken out.
    """

    where: str
    name: str
    namespace: str
    port: int | None = None
    replicas: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    unset: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    volumes: Mapping[str, Object] = field(default_factory=dict)
    unmounted: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    dockerfile: str | None = None
    target: str | None = None
    cpu: str | None = None
    memory: str | None = None
    health: str | None = None
    image: str | None = None
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    git_secret: str | None = None
    internal: bool | None = None
    force: bool = False
    origin: str = ""


AUTO_PORT = -1


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the source says. tree: None for a repository. inline: a made Dockerfile, "" when the source has one.

    port: that the Dockerfile's text names, if it does. processes: as in an App's spec. environment: defaults for a new app.
    generated: variables of a new app that want a random value. required: those that a new app does not work without.
    """

    tree: Path | None
    dockerfile: str
    inline: str
    port: int | None
    why: tuple[str, ...] = ()
    processes: Mapping[str, Object] = field(default_factory=dict)
    health: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    generated: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def with_kept(wish: Wish, before: Object | None) -> Wish:
    """With what the app has for how its source is read, where that is not asked for."""
    build = ((before or {}).get("spec") or {}).get("build") or {}
    # The usual path is the API's default, whether the source has such a file or not.
    kept = {
        key: build[key] for key in ("dockerfile", "target") if getattr(wish, key) is None and build.get(key) not in (None, "", "Dockerfile")
    }
    return replace(wish, **kept)


def with_generated(wish: Wish, prepared: Prepared, before: Object | None) -> Wish:
    """With a secret of 32 random bytes for each variable of a new app that wants one and is not given."""
    missing = [] if before is not None else [key for key in prepared.generated if key not in wish.env and key not in wish.secrets]
    return replace(wish, secrets={**wish.secrets, **{key: token_hex(32) for key in missing}})


def app(wish: Wish, prepared: Prepared, before: Object | None, place: Object | None) -> Object:
    """The App to apply: what is asked for over what is there. place: the source; None for an image."""
    spec: Object = copy((before or {}).get("spec") or {})
    old_processes = spec.get("processes") or {}
    for key in filter(None, meta.annotations(before or {}).get(DERIVED, "").split(",")):
        spec.pop(key, None)
    _forget_old_port(spec, prepared, before)
    if place is not None:
        spec |= {"source": place, "image": None, "build": _build(wish, prepared, spec.get("build") or {})}
    else:
        spec |= {"image": wish.image, "source": None, "build": None}
    _settings(wish, spec)
    _variables(wish, prepared, spec, is_new=before is None)
    derived = _derive(prepared, spec, old_processes)
    _attempt(wish, spec, before)
    marks = {ORIGIN: wish.origin, DERIVED: ",".join(derived)}
    return {
        "apiVersion": APPS.api_version,
        "kind": APPS.kind,
        "metadata": {"name": wish.name, "namespace": wish.namespace, "annotations": {k: v for k, v in marks.items() if v}},
        "spec": without_empty(spec),
    }


def without_empty(spec: Object) -> Object:
    """Fields that say nothing are left out, at the first two levels: an empty health path says that there is to be none."""
    found = {key: _plain(value) if key in ("build", "source", "resources") else value for key, value in spec.items()}
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _plain(value: Any) -> Any:
    return {key: each for key, each in value.items() if each not in (None, "", [], {}, False)} if isinstance(value, dict) else value


def _forget_old_port(spec: Object, prepared: Prepared, before: Object | None) -> None:
    """Apps of release 0.1 hold a port that nobody set: the default's, or the Dockerfile's of that time."""
    if before is not None and ORIGIN not in meta.annotations(before) and spec.get("port") == (prepared.port or DEFAULT_PORT):
        del spec["port"]


def _build(wish: Wish, prepared: Prepared, before: Object) -> Object:
    build = {key: value for key, value in before.items() if key in ("args", "dockerfile", "target", "noCache")}
    if prepared.inline:
        build["inline"] = prepared.inline
    if wish.dockerfile is not None:
        build["dockerfile"] = wish.dockerfile
    if wish.target is not None:
        build["target"] = wish.target
    if build.get("dockerfile") == "Dockerfile":
        del build["dockerfile"]
    if wish.build_args:
        build["args"] = (build.get("args") or {}) | dict(wish.build_args)
    return build


def _settings(wish: Wish, spec: Object) -> None:
    if wish.port is not None:
        spec["port"] = None if wish.port == AUTO_PORT else wish.port
    if wish.replicas is not None:
        spec["replicas"] = wish.replicas
        if spec.get("autoscale"):
            # A number takes the place of what the load decides, as with `ph scale`.
            spec["autoscale"] = None
    spec |= {key: list(value) for key, value in (("command", wish.command), ("args", wish.args)) if value is not None}
    if wish.internal is not None:
        spec["internal"] = wish.internal or None
    if wish.hosts:
        spec["hosts"] = [host for host in wish.hosts if host]
    if wish.volumes or wish.unmounted:
        spec["volumes"] = _volumes(wish, spec.get("volumes") or {})
    limits = {key: value for key, value in (("cpu", wish.cpu), ("memory", wish.memory)) if value is not None}
    if limits:
        spec["resources"] = (spec.get("resources") or {}) | limits
    if wish.health is not None:
        spec["health"] = {"path": wish.health}


def _volumes(wish: Wish, before: Object) -> Object:
    kept = {name: given for name, given in before.items() if name not in wish.unmounted}
    return kept | {name: merged(kept.get(name) or {}, given) for name, given in wish.volumes.items()}


def _variables(wish: Wish, prepared: Prepared, spec: Object, *, is_new: bool) -> None:
    """A variable is in one place: the spec or the app's own Secret."""
    defaults = dict(prepared.environment) if is_new else {}
    env = defaults | (spec.get("env") or {}) | dict(wish.env)
    gone = {*wish.unset, *wish.secrets}
    spec["env"] = {key: value for key, value in env.items() if key not in gone}
    if wish.secrets and (name := secret_name(wish.name)) not in (spec.get("secrets") or []):
        spec["secrets"] = [*(spec.get("secrets") or []), name]


def _derive(prepared: Prepared, spec: Object, old_processes: Object) -> list[str]:
    """Fields taken from the source; how many of a process run is the user's and stays."""
    found: list[str] = []
    if prepared.processes and not spec.get("processes"):
        spec["processes"] = {name: _with_replicas(given, old_processes.get(name)) for name, given in prepared.processes.items()}
        found.append("processes")
    if prepared.health and "health" not in spec:
        spec["health"] = {"path": prepared.health}
        found.append("health")
    return found


def _with_replicas(given: Object, before: Object | None) -> Object:
    count = (before or {}).get("replicas")
    return dict(given) if count is None or given.get("schedule") else given | {"replicas": count}


def _attempt(wish: Wish, spec: Object, before: Object | None) -> None:
    """A new number where the same state is to be tried again: on request, or because it failed."""
    build = dict(spec.get("build") or {})
    is_same = before is not None and _tried(spec) == _tried(before["spec"])
    number = (spec.get("attempt") or 0) if is_same else 0
    if not is_same:
        build.pop("noCache", None)
    if wish.force:
        number, build["noCache"] = ((before or {}).get("spec") or {}).get("attempt", 0) + 1, True
    elif before is not None and _is_to_be_tried_again(wish, spec, before, is_same=is_same):
        number += 1
    spec |= {"attempt": number or None, "build": build}


def _tried(spec: Object) -> Object:
    """What a build depends on, but for its number."""
    build = {key: value for key, value in _plain(spec.get("build") or {}).items() if (key, value) != ("dockerfile", "Dockerfile")}
    build.pop("noCache", None)
    return {"image": spec.get("image") or "", "source": _plain(spec.get("source") or {}), "build": build}


def _is_to_be_tried_again(wish: Wish, spec: Object, before: Object, *, is_same: bool) -> bool:
    return (is_same and (_build_failed(before) or _may_have_moved(spec))) or _release_failed_alike(wish, spec, before)


def _may_have_moved(spec: Object) -> bool:
    """Whether only the build can find out what a branch points to now."""
    git = (spec.get("source") or {}).get("git")
    return git is not None and not git.get("commit") and not re.fullmatch(r"[0-9a-f]{4,64}", git.get("revision") or "")


def _build_failed(app: Object) -> bool:
    built = meta.condition(app, "Built") or {}
    return built.get("status") == "False" and built.get("reason") not in NOT_BUILT


def _release_failed_alike(wish: Wish, spec: Object, before: Object) -> bool:
    """Whether the release process would run as it did when it failed: a changed state has a new one anyway."""
    if (meta.condition(before, "Ready") or {}).get("reason") != "ReleaseFailed" or wish.secrets or wish.unset:
        return False
    fields = ("image", "source", "env", "processes", "command", "args")
    return all((spec.get(key) or None) == (before["spec"].get(key) or None) for key in fields)
