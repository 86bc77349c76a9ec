"""app.json, the parts that describe a deployment: variables, health checks, scripts and cron lines, as Heroku and Dokku define them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.platform.builds.detect.plan import CannotDetect
from pilothouse.platform.builds.detect.procfile import process_name
from pilothouse.platform.builds.detect.tree import Tree

_DESCRIBES = frozenset(
    {"name", "description", "repository", "keywords", "logo", "website", "success_url", "$schema", "stack", "environments"}
)
_TAKEN = frozenset({"env", "healthchecks", "scripts", "cron"})
_CRON_FIELDS = 5


@dataclass(frozen=True, slots=True)
class AppJson:
    """release: a command line to run before a rollout. cron: (schedule, command line) by name. required: variables without a value.

    generated: variables that want a random value.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    health: str = ""
    release: str = ""
    cron: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def app_json(tree: Tree) -> AppJson:
    """Raises CannotDetect for a file that is not as described."""
    if not tree.has("app.json"):
        return AppJson()
    try:
        read = json.loads(tree.text("app.json").removeprefix("\ufeff"))
    except ValueError as error:
        raise CannotDetect(f"app.json is not valid JSON: {error}") from error
    # An Expo or React Native project has a file of this name with other contents.
    if not isinstance(read, dict) or not _TAKEN & read.keys():
        return AppJson()
    environment, required, generated = _environment(_mapping(read, "env"))
    scripts = _mapping(_mapping(read, "scripts"), "dokku")
    before = str(scripts.get("predeploy") or "")
    left = sorted(read.keys() - _DESCRIBES - _TAKEN)
    left += [f"scripts.{name}" for name in _scripts(_mapping(read, "scripts")) if name != "dokku.predeploy"]
    return AppJson(environment, required, generated, _health(read), before, _cron(read), tuple(left))


def _scripts(scripts: Mapping[str, Any]) -> list[str]:
    dokku = scripts.get("dokku")
    own = [f"dokku.{name}" for name in dokku] if isinstance(dokku, dict) else []
    return sorted([*(name for name in scripts if name != "dokku"), *own])


def _mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key) or {}
    if not isinstance(value, dict):
        raise CannotDetect(f"app.json: {key} is no object")
    return value


def _environment(env: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    values: dict[str, str] = {}
    required: list[str] = []
    generated: list[str] = []
    for name, given in env.items():
        value = given.get("value") if isinstance(given, dict) else given
        if value is not None:
            values[name] = str(value)
        elif isinstance(given, dict) and given.get("generator") == "secret":
            generated.append(name)
        elif isinstance(given, dict) and given.get("required", True):
            required.append(name)
    return values, tuple(required), tuple(generated)


def _health(read: Mapping[str, Any]) -> str:
    """The path of the web process's first HTTP check, a start-up check before others."""
    checks = _mapping(read, "healthchecks").get("web")
    listed = checks if isinstance(checks, list) else []
    ordered = sorted((check for check in listed if isinstance(check, dict)), key=lambda check: check.get("type") != "startup")
    return next((str(check["path"]) for check in ordered if str(check.get("path", "")).startswith("/")), "")


def _cron(read: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    entries = read.get("cron") or []
    for number, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        if not isinstance(entry, dict) or not entry.get("command") or len(str(entry.get("schedule", "")).split()) != _CRON_FIELDS:
            raise CannotDetect(f'app.json: cron entry {number} needs "command" and "schedule" with five fields, such as "0 3 * * *"')
        name = process_name(str(entry.get("name") or f"cron-{number}"))
        found[name] = (" ".join(str(entry["schedule"]).split()), str(entry["command"]))
    return found
