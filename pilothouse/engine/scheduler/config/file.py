"""Reads a KubeSchedulerConfiguration. What is not carried out here is refused, since it would be believed to hold.

Source: kubernetes pkg/scheduler/apis/config/validation, apis/config/v1/defaults.go.
"""

from collections.abc import Mapping
from pathlib import Path

from pilothouse.engine.scheduler.config.args import arguments
from pilothouse.engine.scheduler.config.plugins import ALL, POINTS, PluginSet, taking_part, weights
from pilothouse.engine.scheduler.config.types import ProfileConfig, SchedulerConfig
from pilothouse.engine.scheduler.framework.points import PAIRS, Point
from pilothouse.engine.scheduler.plugins.default_binder import DefaultBinder
from pilothouse.engine.scheduler.plugins.priority_sort import PrioritySort
from pilothouse.model.fields import FieldError, Fields, document
from pilothouse.model.names import dns1123_subdomain
from pilothouse.model.scheduling import DEFAULT_SCHEDULER

LARGEST_BYTES = 1 << 20
MOST_PROFILES = 32
MOST_BACKOFF_S = 3600
MOST_WEIGHT = 1_000_000
_API_VERSION, _KIND = "kubescheduler.config.k8s.io/v1", "KubeSchedulerConfiguration"
_EVERYWHERE = "multiPoint"
_ELSEWHERE = {
    "parallelism": "decisions are made one at a time",
    "extenders": "no other program is asked",
    "clientConnection": "the scheduler is part of the control plane's process",
    "delayCacheUntilActive": "there is one scheduler, which is active",
    "enableProfiling": "there is no server of its own",
    "enableContentionProfiling": "there is no server of its own",
}
"""Fields of upstream's that are not carried out, and why."""


class ConfigError(Exception):
    """One sentence about what is wrong with a configuration."""


def read(path: Path) -> SchedulerConfig:
    """Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"the scheduler's configuration {path} cannot be read ({why}): `ph up --scheduler-config FILE` names another, '' none"
        ) from error
    try:
        return parsed(data)
    except FieldError as error:
        raise ConfigError(f"the scheduler's configuration {path} is not valid: {error}") from error


def parsed(data: bytes) -> SchedulerConfig:
    """Raises FieldError."""
    root = document(data, LARGEST_BYTES)
    stated = root.values.get("apiVersion"), root.values.get("kind")
    if stated != (_API_VERSION, _KIND):
        raise FieldError(f"it has to begin with `apiVersion: {_API_VERSION}` and `kind: {_KIND}`")
    for name, why in _ELSEWHERE.items():
        if root.has(name):
            raise FieldError(f"{name} is not carried out: {why}; leave it out")
    root.allow(
        (
            *("apiVersion", "kind", "leaderElection", "profiles"),
            *("percentageOfNodesToScore", "podInitialBackoffSeconds", "podMaxBackoffSeconds"),
        )
    )
    _check_election(root.fields("leaderElection"))
    first_s = root.number("podInitialBackoffSeconds", 1, MOST_BACKOFF_S, otherwise=1)
    most_s = root.number("podMaxBackoffSeconds", first_s, MOST_BACKOFF_S, otherwise=max(first_s, 10))
    return SchedulerConfig(_profiles(root), float(first_s), float(most_s))


def _check_election(stated: Fields) -> None:
    if stated.values and stated.values != {"leaderElect": False}:
        raise FieldError("leaderElection is not carried out: there is one scheduler; leave it out, or give `leaderElect: false` alone")


def _profiles(root: Fields) -> tuple[ProfileConfig, ...]:
    percentage = root.number("percentageOfNodesToScore", 0, 100, otherwise=0)
    stated = root.each("profiles")
    if len(stated) > MOST_PROFILES:
        raise FieldError(f"profiles: there are {len(stated)}, and {MOST_PROFILES} at most can be")
    if not stated:
        return (ProfileConfig(percentage=percentage),)
    found: dict[str, ProfileConfig] = {}
    for each in stated:
        profile = _profile(each, percentage, is_only=len(stated) == 1)
        if profile.name in found:
            raise FieldError(f"{each.at('schedulerName')}: there are two profiles {profile.name}")
        found[profile.name] = profile
    return tuple(found.values())


def _profile(stated: Fields, percentage: int, *, is_only: bool) -> ProfileConfig:
    stated.allow(("schedulerName", "plugins", "pluginConfig", "percentageOfNodesToScore"))
    name = stated.text("schedulerName", otherwise=DEFAULT_SCHEDULER if is_only else "")
    if not name:
        raise FieldError(f"{stated.at('schedulerName')} is missing: pods name the profile by it")
    if dns1123_subdomain(name):
        raise FieldError(f"{stated.at('schedulerName')} {name!r} is no name such as {DEFAULT_SCHEDULER}")
    plugins = stated.fields("plugins")
    plugins.allow((_EVERYWHERE, *Point))
    everywhere = _set(plugins, _EVERYWHERE)
    at = {point: _set(plugins, point) for point in Point}
    enabled = taking_part(everywhere, at)
    _check(plugins, enabled)
    own = stated.number("percentageOfNodesToScore", 0, 100, otherwise=percentage)
    return ProfileConfig(name, enabled, weights(everywhere, at[Point.SCORE]), arguments(stated.each("pluginConfig")), own)


def _set(plugins: Fields, point: str) -> PluginSet:
    stated = plugins.fields(point)
    stated.allow(("enabled", "disabled"))
    enabled = tuple(_enabled(each, point) for each in stated.each("enabled"))
    names = [name for name, _ in enabled]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise FieldError(f"{stated.at('enabled')}: {twice} is there twice")
    return PluginSet(enabled, frozenset(_name(each, ("name",), (*POINTS, ALL)) for each in stated.each("disabled")))


def _enabled(plugin: Fields, point: str) -> tuple[str, int]:
    name = _name(plugin, ("name", "weight"), tuple(POINTS))
    if point != _EVERYWHERE and point not in POINTS[name]:
        there = ", ".join(sorted(each for each in POINTS[name]))
        raise FieldError(f"{plugin.at('name')}: {name} takes no part in {point}, but in {there}")
    if plugin.has("weight") and (point not in (_EVERYWHERE, Point.SCORE) or Point.SCORE not in POINTS[name]):
        raise FieldError(f"{plugin.at('weight')}: only scores have weights")
    # Upstream takes a weight of 0 as none.
    return name, plugin.number("weight", 0, MOST_WEIGHT, otherwise=0)


def _name(plugin: Fields, fields: tuple[str, ...], known: tuple[str, ...]) -> str:
    plugin.allow(fields)
    name = plugin.text("name")
    if name not in known:
        raise FieldError(f"{plugin.at('name')}: there is no plug-in {name!r}: there are {', '.join(POINTS)}")
    return name


def _check(plugins: Fields, enabled: Mapping[Point, tuple[str, ...]]) -> None:
    """What a profile cannot be without, and what belongs together."""
    if enabled[Point.QUEUE_SORT] != (PrioritySort.name,):
        raise FieldError(f"{plugins.at(Point.QUEUE_SORT)}: {PrioritySort.name} sorts the queue of all profiles, and cannot be disabled")
    if enabled[Point.BIND] != (DefaultBinder.name,):
        raise FieldError(f"{plugins.at(Point.BIND)}: without {DefaultBinder.name} no pod would be bound")
    for point, before in PAIRS.items():
        halves = [name for name in enabled[point] if before in POINTS[name] and name not in enabled[before]]
        if halves:
            raise FieldError(
                f"{plugins.path}: {halves[0]} is enabled at {point} and not at {before}, which prepares it: disable or enable it at both"
            )
