"""Whether an app serves with the variables of a binding, or without them, by the App's status (pure).

Known of apps by their API only. `observedSecrets` of an App's status says which Secrets, as of which resourceVersion, it speaks of.
"""

from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

APPS = Resource("apps.pilothouse.dev", "v1", "apps", "App", custom=True)
_ON_THE_WAY = frozenset(["", "Building", "Releasing", "RollingOut"])
"""Reasons of an App's Ready condition that pass by themselves."""


@dataclass(frozen=True, slots=True)
class Serving:
    """is_good: all replicas run as is wanted. reason, message: else, for the binding's Ready condition."""

    is_good: bool
    reason: str = ""
    message: str = ""


def names_secret(app: Object, secret: str) -> bool:
    return secret in (app["spec"].get("secrets") or ())


def serving_with(app: Object, secret: Object) -> Serving:
    """The app is rolled out with this state of the Secret."""
    if _is_current(app) and _seen_version(app, meta.name(secret)) >= _number(meta.resource_version(secret)):
        return _serving(app, "with the variables", "AppNotReady")
    return Serving(False, "RollingOut", f"{meta.name(app)} is rolled out with the variables")


def serving_without(app: Object, secret: str) -> Serving:
    """The app is rolled out without the Secret, or has never run: then nothing can have an account."""
    if not _is_current(app):
        return Serving(False, "Unbinding", f"{meta.name(app)} is rolled out without the variables")
    if not (app.get("status") or {}).get("revision"):
        return Serving(True)
    return _serving(app, "without the variables", "StillUsed")


def _serving(app: Object, how: str, stuck: str) -> Serving:
    ready = meta.condition(app, "Ready") or {}
    name = meta.name(app)
    if ready.get("status") == "True":
        return Serving(True)
    if ready.get("reason", "") in _ON_THE_WAY:
        return Serving(False, "RollingOut", f"{name} is rolled out {how}: {ready.get('message') or 'it has just begun'}")
    return Serving(False, stuck, f"{name} does not come up {how}: {ready.get('message') or ready.get('reason')}")


def _is_current(app: Object) -> bool:
    return bool((app.get("status") or {}).get("observedGeneration") == meta.generation(app))


def _seen_version(app: Object, secret: str) -> int:
    seen = (app.get("status") or {}).get("observedSecrets") or ()
    return next((_number(each["resourceVersion"]) for each in seen if each["name"] == secret), -1)


def _number(version: str) -> int:
    """resourceVersions of one kind can be compared (KEP-5504). What is none counts as newer than all that was seen."""
    return int(version) if version.isascii() and version.isdigit() else 1 << 63
