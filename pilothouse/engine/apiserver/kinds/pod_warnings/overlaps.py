"""Files of a volume that lie where another of its files or directories lies."""

from collections.abc import Iterable

from pilothouse.engine.apiserver.kinds.field import shown
from pilothouse.model.json import Object

_PROJECTED = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
_NAMED = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "name"), "downwardAPI": ("DownwardAPI", "")}
_MOST = 100
"""Files of a volume that are compared with each other."""
Files = list[tuple[str, str]]
"""Path of each, and what it comes from ("" where the volume says it)."""


def overlap_warnings(volumes: list[Object]) -> list[str]:
    found: list[str] = []
    for volume in volumes:
        name = shown(volume.get("name") or "")
        for kind, (called, field) in _NAMED.items():
            source = volume.get(kind)
            if source is not None and len(items := source.get("items") or ()) > 1:
                own = source.get("secretName" if kind == "secret" else field) if field else None
                title = f"volume {name} ({called}{' ' + shown(own or '') if field else ''})"
                found += _overlaps([(item.get("path") or "", "") for item in items], title)
        if (projected := volume.get("projected")) is not None:
            found += _projected(projected.get("sources") or (), f"volume {name} (Projected)")
    return found


def _projected(sources: Iterable[Object], title: str) -> list[str]:
    files: Files = []
    empty: list[str] = []
    for source in sources:
        kind = next((kind for kind in _PROJECTED if source.get(kind) is not None), "")
        if kind:
            files += _files(kind, source[kind])
        else:
            empty.append(f"{title} has no sources provided")
    return empty + _overlaps(files, title)


def _files(kind: str, source: Object) -> Files:
    if kind in _NAMED:
        called, field = _NAMED[kind]
        origin = f"{called} {shown(source.get(field) or '')}" if field else called
        return [(item.get("path") or "", origin) for item in source.get("items") or ()]
    return [(source.get("path") or "", "ServiceAccountToken")] if kind == "serviceAccountToken" else []


def _overlaps(files: Files, title: str) -> list[str]:
    found: list[str] = []
    before: Files = []
    for path, origin in files[:_MOST]:
        file = path.rstrip("/"), origin
        found += [f"{title}: overlapping paths: {_named(file)} with {_named(other)}" for other in before if _meet(file[0], other[0])]
        before.append(file)
    return found


def _meet(one: str, other: str) -> bool:
    return bool(one and other) and (f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"))


def _named(file: tuple[str, str]) -> str:
    path, origin = file
    return f"{shown(path)} ({origin})" if origin else shown(path)
