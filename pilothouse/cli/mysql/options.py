"""The options that stand for fields of an instance's spec, the same wherever one is made, restored or changed."""

from collections.abc import Callable
from typing import Any

import click

from pilothouse.cli.mysql import completing, values
from pilothouse.model.json import Object

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_AMOUNTS = (
    click.option("--size", callback=values.quantity("storage"), metavar="QUANTITY", help="Of each member's volume (of a new one: 1Gi)."),
    click.option("--cpu", callback=values.quantity("cpu"), metavar="QUANTITY", help="Of each member's server (of a new one: 500m)."),
    click.option("--memory", callback=values.quantity("memory"), metavar="QUANTITY", help="Of each member's server (of a new one: 512Mi)."),
    click.option("--replicas", type=values.REPLICAS, metavar="1|3-9", help="Members, of which one is the primary (of a new one: 1)."),
)
STORAGE_CLASS = click.option("--storage-class", metavar="CLASS", help="Of the volumes (default: the cluster's); it never changes.")
PARAMETERS = click.option(
    "--param", "parameters", multiple=True, callback=values.parameters, metavar="NAME=VALUE", help="A server's setting; may be repeated."
)
WHO = "[NAMESPACE/][LABEL=VALUE]|CIDR"
_ACCESS = (
    click.option(
        "--allow",
        multiple=True,
        callback=values.clients,
        metavar=WHO,
        help="Who may connect beside bound apps: pods with that label, or addresses; may be repeated.",
    ),
    click.option(
        "--allow-metrics",
        multiple=True,
        callback=values.clients,
        metavar=WHO,
        help="Who may read the members' metrics, such as monitoring/app=prometheus; may be repeated.",
    ),
)
STORE = click.option(
    "--backup-store",
    metavar="STORE",
    shell_complete=completing.stores,
    help="The BackupStore that its backups go to; '' for the namespace's own, on a volume.",
)
_BACKUPS = (
    click.option(
        "--backup-schedule",
        callback=values.schedule,
        metavar="CRON",
        help="When to back up: five fields in UTC, such as '30 3 * * *'; '' for never.",
    ),
    STORE,
    click.option("--backup-method", type=click.Choice(["physical", "logical"]), help="Of scheduled backups: files, or statements."),
    click.option("--backup-keep", type=click.IntRange(1, 1000), metavar="COUNT", help="How many scheduled backups stay."),
    click.option("--backup-keep-days", type=click.IntRange(0, 3650), metavar="DAYS", help="And none that is older; 0 for no such limit."),
    click.option("--backup-verify/--no-backup-verify", default=None, help="Restore each scheduled backup once more and compare."),
    click.option("--archive/--no-archive", default=None, help="Archive the log of changes, so that any second can be restored."),
)
_DELETION = (
    click.option("--protection/--no-protection", default=None, help="Whether it may be deleted only once its protection was taken away."),
    click.option("--final-backup/--no-final-backup", default=None, help="Whether a last backup is taken before it is deleted."),
)


_LIFE = {"deletionProtection": "protection", "finalBackup": "final_backup", "storageClass": "storage_class"}
_POLICY = {
    "schedule": "backup_schedule",
    "store": "backup_store",
    "method": "backup_method",
    "verify": "backup_verify",
    "archive": "archive",
}


def changeable(command: Callable[..., Any]) -> Callable[..., Any]:
    """All that may be given to an instance that is made, and changed of one that is there."""
    for option in reversed((*_AMOUNTS, PARAMETERS, *_ACCESS, *_BACKUPS, *_DELETION)):
        command = option(command)
    return command


def spec(options: dict[str, Any]) -> Object:
    """The fields of what was given; of lists and maps what was given alone, whatever the instance has beside."""
    found: Object = {key: options[key] for key in ("size", "replicas") if options.get(key)}
    parts = {
        "resources": _given(options, {"cpu": "cpu", "memory": "memory"}),
        "backup": _backup(options),
        "access": {key: options[name] for key, name in (("clients", "allow"), ("metrics", "allow_metrics")) if options.get(name)},
        "parameters": options.get("parameters") or {},
    }
    return found | {key: part for key, part in parts.items() if part} | _given(options, _LIFE)


def _backup(options: dict[str, Any]) -> Object:
    keep = _given(options, {"count": "backup_keep", "days": "backup_keep_days"})
    if keep.get("days") == 0:
        keep["days"] = None
    return _given(options, _POLICY) | ({"keep": keep} if keep else {})


def _given(options: dict[str, Any], names: dict[str, str]) -> Object:
    """names: field -> option. What is false or empty was given as well."""
    return {field: options[name] for field, name in names.items() if options.get(name) is not None}


def over(base: Object, given: Object) -> Object:
    """A spec with what was given in place of what it had, field by field; lists are taken as a whole, and None takes a field away."""
    found = dict(base)
    for key, value in given.items():
        merged = over(found.get(key) or {}, value) if isinstance(value, dict) else value
        if merged is None:
            found.pop(key, None)
        else:
            found[key] = merged
    return found
