"""A compose file as services in the order in which they start, with notes of what is not taken."""

import graphlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from pilothouse.platform.compose import volumes
from pilothouse.platform.compose.service import Read, Service, service
from pilothouse.platform.compose.values import ComposeError, env_file, interpolated, listed

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MOST_SERVICES = 100


@dataclass(frozen=True, slots=True)
class Project:
    """services: each after those that it depends on. notes: a sentence each."""

    services: tuple[Service, ...]
    notes: tuple[str, ...]


def project(file: str, read: Read, environ: Mapping[str, str], profiles: Collection[str] = ()) -> Project:
    """file: its path for `read`. environ: variables, which go before those of a `.env` file. Raises ComposeError."""
    variables = {**env_file(read(".env") or ""), **environ}
    document = interpolated(_document(file, read), variables)
    listed = document.get("services")
    if not isinstance(listed, dict) or not listed:
        raise ComposeError(f"{file} has no services")
    if len(listed) > MOST_SERVICES:
        raise ComposeError(f"{file} has {len(listed)} services, more than {MOST_SERVICES}")
    if document.get("include"):
        raise ComposeError(f"{file} includes other files, which is not read: put their services into it")
    chosen = {name: raw for name, raw in listed.items() if _is_chosen(raw, profiles)}
    extended = next((name for name, raw in chosen.items() if isinstance(raw, dict) and "extends" in raw), "")
    if extended:
        raise ComposeError(f"{file}: the service {extended} extends another one, which is not read: write its keys out")
    services = {name: service(name, raw, read, variables) for name, raw in chosen.items()}
    ordered = [services[name] for name in _ordered(file, services)]
    top, of_volumes = volumes.declared(file, document.get("volumes"))
    given, shared = volumes.assigned([(each.name, each.mounts) for each in ordered], top)
    left_out = tuple(name for name in listed if name not in chosen)
    notes = [*(line for each in services.values() for line in each.said), *of_volumes, *shared]
    return Project(
        tuple(replace(each, volumes=given[each.name]) for each in ordered), (*notes, *_notes(document, services.values(), left_out))
    )


def _document(file: str, read: Read) -> dict[str, Any]:
    try:
        found = yaml.safe_load(read(file) or "")
    except RecursionError as error:
        raise ComposeError(f"{file} is nested too deeply to be read") from error
    except yaml.YAMLError as error:
        raise ComposeError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise ComposeError(f"{file} is no mapping with services")
    return found


def _is_chosen(raw: Any, profiles: Collection[str]) -> bool:
    wanted = listed(raw.get("profiles"), "profiles") if isinstance(raw, dict) else None
    return not wanted or "*" in profiles or bool(set(map(str, wanted)) & set(profiles))


def _ordered(file: str, services: Mapping[str, Service]) -> list[str]:
    for found in services.values():
        missing = next((name for name in found.after if name not in services), None)
        if missing is not None:
            named = missing or "''"
            raise ComposeError(f"{file}: {found.name} depends on {named}, which is no service of it (or of a profile that is not chosen)")
    try:
        return list(graphlib.TopologicalSorter({name: found.after for name, found in services.items()}).static_order())
    except graphlib.CycleError as error:
        raise ComposeError(f"{file}: {' depends on '.join(error.args[1])}: nothing can start first") from error


def _notes(document: Mapping[str, Any], services: Collection[Service], left_out: tuple[str, ...]) -> tuple[str, ...]:
    """One sentence a key, with the services that have it."""
    users: dict[str, list[str]] = {}
    for found in services:
        for key in found.ignored:
            users.setdefault(key, []).append(found.name)
    said = [f"{key} is not taken ({', '.join(names)})" for key, names in users.items() if key != "ports"]
    if left_out:
        said.append(f"services of profiles that are not chosen are left out: {', '.join(left_out)}")
    said += [f"{key} at the top is not taken" for key in ("configs", "secrets") if document.get(key)]
    return tuple(said)
