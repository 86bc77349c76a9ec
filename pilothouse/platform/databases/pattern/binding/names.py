"""Names that belong to a Binding (pure)."""

import re

from pilothouse.model import meta
from pilothouse.model.json import Object

FINALIZER = "databases.pilothouse.dev/binding"
"""A Binding goes when the app is rolled out without it."""
FORCED = "databases.pilothouse.dev/unbind-at-once"
"""Annotation of a Binding, `yes`: when it is deleted the account goes, although the app may still use it."""
INSTANCE = "databases.pilothouse.dev/instance"
SUFFIXES = ("URL", "HOST", "PORT", "USER", "PASSWORD", "DATABASE", "CA")


def binding_name(app: str, service: str) -> str:
    """As `ph bind` names it. One that somebody writes may have any name."""
    return f"{app}-{service}"


def app_of(binding: Object) -> str:
    return str((binding.get("spec") or {}).get("app") or "")


def service_of(binding: Object) -> str:
    return str(((binding.get("spec") or {}).get("service") or {}).get("name") or "")


def kind_of(binding: Object) -> str:
    return str(((binding.get("spec") or {}).get("service") or {}).get("kind") or "MySQL")


def secret_of(binding: Object) -> str:
    """The Secret with the variables, which the App names."""
    return meta.name(binding)


def prefix_of(binding: Object) -> str:
    """Of its variables: as it is given, else the service's name in capitals, dashes and dots as underscores."""
    given = binding["spec"].get("prefix")
    if given:
        return str(given)
    made = re.sub(r"[^A-Z0-9]", "_", service_of(binding).upper())
    return made if made[:1].isalpha() else f"DB_{made}"


def variables_of(binding: Object) -> list[str]:
    return [f"{prefix_of(binding)}_{suffix}" for suffix in SUFFIXES]
