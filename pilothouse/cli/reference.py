"""Writes the parts of docs/reference that the code knows best: commands, custom resources, the served API, settings.

A page is written by hand around blocks that begin with `<!-- generated: NAME -->` and end with `<!-- end -->`; `rewritten` puts the
current text into each. `python -m pilothouse.cli.reference FOLDER` does so for every page of a folder; a test does the same and
finds no difference.
"""

import functools
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import yaml

from pilothouse.aio import meters
from pilothouse.client.crds import CustomType
from pilothouse.engine.apiserver.admission.webhooks.metrics import WebhookMetrics
from pilothouse.engine.apiserver.authz.uses import Uses
from pilothouse.engine.apiserver.discovery.legacy import verbs_of
from pilothouse.engine.apiserver.fairness import defaults
from pilothouse.engine.apiserver.fairness.configuration import flow_schema, priority_level
from pilothouse.engine.apiserver.fairness.control import Fairness
from pilothouse.engine.apiserver.kinds.support.endpointslices import ENDPOINT_SLICES
from pilothouse.engine.apiserver.kinds.support.pod_status import POD_STATUS
from pilothouse.engine.apiserver.kinds.support.pods import PODS
from pilothouse.engine.apiserver.kinds.support.rule import State
from pilothouse.engine.apiserver.kinds.support.services import SERVICES
from pilothouse.engine.apiserver.kinds.support.storage import CLAIMS, CLASSES, VOLUMES
from pilothouse.engine.apiserver.kinds.support.table import Table
from pilothouse.engine.apiserver.metrics import Metrics
from pilothouse.engine.apiserver.resources.builtin import built_in_table
from pilothouse.engine.node.stats.exposition import cadvisor, resource, volumes
from pilothouse.engine.node.view import PROBES, own_families
from pilothouse.model.json import Object
from pilothouse.model.schema import Catalog
from pilothouse.platform.databases.inside.agent.metrics.catalogue import METRICS as DATABASE_METRICS
from pilothouse.platform.databases.mysql.monitoring.rules import text as rules_text

_BLOCK = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewritten(page: str) -> str:
    """The page with its blocks as they should be; raises KeyError for a block that nobody generates."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]().strip()}\n{found[3]}", page)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def commands() -> str:
    """Every command of `ph`, those of groups included."""
    from pilothouse.cli.main import ph

    context = click.Context(ph, info_name="ph")
    return "\n".join([_options(ph, context), *_command_pages(ph, context)])


def _command_pages(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield _command(command, inner)
        if isinstance(command, click.Group):
            yield from _command_pages(command, inner)


def _command(command: click.Command, context: click.Context) -> str:
    text, _, examples = (command.help or "").partition("\b")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"\n## {context.command_path}\n", " ".join(text.split()), f"\n    {usage}\n"]
    if options := _options(command, context):
        parts.append(options)
    if examples.strip():
        _, _, lines = examples.strip("\n").partition("\n")
        parts.append("\nExamples:\n\n" + "\n".join(f"    {line.strip()}" for line in lines.splitlines() if line.strip()))
    return "\n".join(parts)


def _options(command: click.Command, context: click.Context) -> str:
    """The table of a command's options; "" when it has none of its own."""
    rows = [
        [_flags(option, context), option.help or "", _option_default(option)]
        for option in command.get_params(context)
        if isinstance(option, click.Option) and "--help" not in option.opts and not option.hidden
    ]
    return table(["option", "meaning", "default"], rows) if rows else ""


def _flags(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    metavar = "N" if isinstance(option.type, click.IntRange) else option.make_metavar(context)
    return f"{names} {metavar}"


def _option_default(option: click.Option) -> str:
    """Only what stands in the declaration: a default that is found out later is told by the option's help."""
    if isinstance(option.default, bool):
        return f"`{(option.opts if option.default else option.secondary_opts)[0]}`" if option.secondary_opts else ""
    return f"`{option.default}`" if isinstance(option.default, str | int | float) and option.default != "" else ""


def custom_fields(custom: CustomType, part: str) -> str:
    """Every field of a custom resource's spec or status, in the order of the definition."""
    schema = custom.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return table(["field", "type", "default", "meaning"], list(_fields(schema, part)))


def _fields(schema: Object, path: str) -> Iterator[list[str]]:
    required = schema.get("required") or []
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        default = "required" if name in required else _default(field)
        yield [f"`{here}`", _type(field), default, " ".join(field.get("description", "").split()) + _bounds(field)]
        inner = field.get("items") if field["type"] == "array" else field
        if isinstance(inner, dict) and "properties" in inner:
            yield from _fields(inner, here + ("[]" if field["type"] == "array" else ""))


def _type(field: Object) -> str:
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    values = field.get("additionalProperties")
    return f"map to {_type(values)}" if isinstance(values, dict) else str(field["type"])


def _default(field: Object) -> str:
    value = field.get("default")
    return f"`{value}`" if value not in (None, "", [], {}) and not isinstance(value, dict) else ""


def _bounds(field: Object) -> str:
    said = []
    if "enum" in field:
        said.append("one of " + ", ".join(f"`{value}`" for value in field["enum"]))
    if "pattern" in field:
        said.append(f"matches `{field['pattern']}`")
    lowest, highest = field.get("minimum"), field.get("maximum")
    if lowest is not None:
        said.append(f"{lowest} to {highest}" if highest is not None else f"{lowest} or more")
    return f" ({'; '.join(said)})" if said else ""


def printer_columns(custom: CustomType) -> str:
    rows = [[column.name, f"`{column.path}`", "with `-o wide`" if column.wide else ""] for column in custom.columns]
    return table(["column", "field", "shown"], rows)


def served() -> str:
    """Every built-in resource with its verbs and subresources, group by group."""
    found = built_in_table(_no_schemas(), ("IPv4",))
    parts = []
    for group in sorted(found.groups()):
        for version in found.versions(group):
            rows = []
            for row in found.rows(group, version):
                resource = row.resource
                below = [f"{each.name} ({', '.join(sorted(each.verbs))})" for each in row.kind.subresources.values()]
                names = ", ".join(resource.short_names)
                verbs = ", ".join(sorted(verbs_of(row)))
                rows.append([resource.plural, resource.kind, names, "yes" if resource.namespaced else "no", verbs, "; ".join(below)])
            headings = ["resource", "kind", "short names", "namespaced", "verbs", "subresources"]
            parts.append(f"\n### {f'{group}/{version}' if group else version}\n\n{table(headings, rows)}")
    return "\n".join(parts)


def _no_schemas() -> Catalog:
    """The table asks for schemas when a request comes; for names and verbs none is needed."""
    return Catalog.__new__(Catalog)


def config_keys() -> str:
    from pilothouse.platform.builds.environment.keys import KEYS

    return table(["key", "meaning"], [[f"`{key}`", meaning] for key, meaning in KEYS.items()])


def instance_settings() -> str:
    """What settings.json holds."""
    from dataclasses import fields

    from pilothouse.cli.settings.home import Settings

    shown = Settings(node_name="the host's name")
    rows = [[f"`{each.name}`", f"`{getattr(shown, each.name)}`"] for each in fields(Settings)]
    return table(["setting", "default"], rows)


def home_layout() -> str:
    from pilothouse.cli.settings.home import Home

    home = Home(Path("/H"))
    names = [name for name, value in vars(Home).items() if isinstance(value, property) and name not in ("instance", "cluster_name")]
    rows = [[f"`{path.relative_to(home.path)}`", HOME_MEANINGS[name]] for name in names if (path := getattr(home, name))]
    return table(["path below the home", "what it holds"], sorted(rows))


HOME_MEANINGS: Mapping[str, str] = {
    "settings": "what the instance was started with",
    "pki": "the cluster's certificate authority, the API server's certificate, kubeconfigs of the node's parts, and of a "
    "`super-admin` in the group `system:masters`",
    "kubeconfig": "the administrator's kubeconfig (group `pilothouse:admins`), readable by its owner only",
    "store": "every API object, and the history that watches resume from (SQLite)",
    "store_keys": "the keys that encrypt Secrets in the store; back them up with it, for without them the Secrets are lost",
    "decisions": "the decision log that `ph why` reads (SQLite)",
    "cache": "compiled schemas and the key that signs service account tokens",
    "run": "process id, state and sockets of what runs now",
    "log": "logs of the control plane, the node, the registry and the gateway",
    "daemon_pid": "the control plane's process id, when it was started and in which boot of the machine",
    "daemon_log": "the control plane's log; it and the others are put aside as `.1` at 16 MiB",
    "node_pid": "the node's process id, when it was started and in which boot of the machine",
    "node_log": "the node's log",
    "environment": "variables of `ph up` that the units of systemd get (proxies, `PIP_*` and others for builds); it may hold passwords",
    "node_socket": "where the API server asks the node for logs, exec, attach and port-forward",
    "audit_log": "the audit log: `audit.log`, and the files before it, compressed",
    "audit_policy": "what is recorded; without the file, what `ph audit-policy show` prints",
    "scheduler_config": "the scheduler's profiles, as the last `ph up` found them (`--scheduler-config`)",
    "unproven": "there until the instance has come up for the first time: its settings are not kept before",
    "node": "containerd's root, state and socket, pod volumes and container logs",
    "registry": "the image registry's storage",
    "builder": "build layers that are kept between builds",
    "images": "images while they are made on this machine",
    "further_nodes": "the homes of further nodes on this machine (`ph up --nodes`), by number",
    "gateway": "the gateway's configuration and certificates",
}


def metrics() -> str:
    """What /metrics of the API server declares."""
    names = ("revision", "compacted", "used_bytes", "quota_bytes")
    fairness = Fairness(map(flow_schema, defaults.flow_schemas("", "")), map(priority_level, defaults.priority_levels()))
    more = [*Uses().lines(), *fairness.lines(), *WebhookMetrics().lines()]
    gauges = Metrics({f"pilothouse_store_{name}": lambda: 0.0 for name in names}, lambda: more)
    gauges.observe(("get", "", "pods"), 200, 0.01)
    for module in METERED:
        import_module(module)
    rows, meanings = [], dict(METRIC_MEANINGS)
    for line in gauges.text().splitlines():
        if line.startswith("# HELP "):
            _, _, name, meaning = line.split(maxsplit=3)
            meanings.setdefault(name, meaning[:1].lower() + meaning[1:].rstrip("."))
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            if not name.startswith(OF_NODE):
                rows.append([f"`{name}`", kind, meanings[name]])
    return table(["metric", "type", "meaning"], rows)


def node_metrics() -> str:
    """What the kubelet API of a node declares, page by page."""
    import_module("pilothouse.engine.node.eviction.evictor")
    own = {family.name: (family.type, family.help) for family in own_families()}
    own["kubelet_evictions"] = ("counter", "Pods that were evicted, by the signal that called for it.")
    own |= {name: ("gauge", meaning) for name, meaning in volumes.NAMES.items()}
    own |= _of_parts()
    pages = {"/metrics": own, "/metrics/resource": resource.NAMES, "/metrics/cadvisor": cadvisor.NAMES, "/metrics/probes": PROBES}
    rows = [
        [f"`{name}`", page, kind, meaning[:1].lower() + meaning[1:].rstrip(".")]
        for page, names in pages.items()
        for name, (kind, meaning) in names.items()
    ]
    return table(["metric", "page", "type", "meaning"], rows)


def database_metrics() -> str:
    """What a member of a database declares."""
    rows = [[f"`{each.name}`", each.kind, each.help[:1].lower() + each.help[1:].rstrip(".")] for each in DATABASE_METRICS]
    return table(["metric", "type", "meaning"], rows)


def database_alerts() -> str:
    rules = [rule for group in yaml.safe_load(rules_text())["groups"] for rule in group["rules"]]
    rows = [[f"`{rule['alert']}`", rule["labels"]["severity"], f"`{rule['expr']}`", rule.get("for", "")] for rule in rules]
    return table(["alert", "severity", "when", "for"], rows)


def _of_parts() -> dict[str, tuple[str, str]]:
    """Type and meaning of the figures of the DNS server and of the service proxy."""
    import_module("pilothouse.network.dns.metrics")
    import_module("pilothouse.network.service.metrics")
    lines = [line for line in meters.exposition() if line.startswith("# ") and line.split()[2].startswith(OF_NODE[1:])]
    words = [(each.split(maxsplit=3)[1:], after.split()[3]) for each, after in itertools.pairwise(lines) if each.startswith("# HELP")]
    return {name: (kind, meaning) for (_, name, meaning), kind in words}


METERED = (
    *(
        "pilothouse.aio.watchdog",
        "pilothouse.client.controller",
        "pilothouse.engine.node.work.worker",
        "pilothouse.network.service.metrics",
        "pilothouse.platform.databases.mysql.monitoring.meters",
    ),
    *("pilothouse.engine.apiserver.audit.log", "pilothouse.engine.apiserver.audit.record"),
)
"""Modules that count for the whole process; the meters say themselves what they mean."""
OF_NODE = ("kubelet_", "coredns_", "kubeproxy_", "pilothouse_service_proxy_")
"""How the names of meters begin that the node's process alone has."""

METRIC_MEANINGS: Mapping[str, str] = {
    "apiserver_request_total": "requests answered, by verb, group, resource and status code",
    "apiserver_request_duration_seconds": "how long answers took, by verb, group and resource; watches and streams are left out",
    "pilothouse_store_revision": "the revision of the newest committed write",
    "pilothouse_store_compacted": "the oldest revision that a watch can resume from",
    "pilothouse_store_used_bytes": "size of all API objects together, as JSON",
    "pilothouse_store_quota_bytes": "the size at which creates and growing updates are refused (`store_quota_mib`)",
}


_COLUMNS = ((State.REFUSED, "answer"), (State.NODE, "what it needs"), (State.WARNED, "warning"), (State.INERT, "why"))


def fields(of: Table, level: str = "##") -> str:
    """Every field of a table by its state; those that are carried out as a list without notes."""
    found = list(of.entries())
    parts = []
    for state, column in _COLUMNS:
        rows = [[f"`{path}`", rule.shown or "any", rule.note] for path, rule in found if rule.state is state]
        if rows:
            parts.append(f"\n{level} {state.value.capitalize()}\n\n{table(['field', 'values', column], sorted(rows))}")
    done = sorted(path for path, rule in found if rule.state is State.HONOURED)
    parts.append(f"\n{level} {State.HONOURED.value.capitalize()}\n\n" + "\n".join(f"- `{path}`" for path in done))
    return "\n".join(parts)


def _apps() -> CustomType:
    from pilothouse.platform.apps.types import APP

    return APP


def _builds() -> CustomType:
    from pilothouse.platform.builds.types import BUILD

    return BUILD


def _database_fields(name: str, part: str) -> str:
    """name: of the kind in lower case."""
    from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
    from pilothouse.platform.databases.pattern.types import BINDING

    kinds = {custom.resource.singular: custom for custom in (BINDING, MYSQL, MYSQL_DATABASE, MYSQL_USER)}
    return custom_fields(kinds[name], part)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "app spec": lambda: custom_fields(_apps(), "spec"),
    "app status": lambda: custom_fields(_apps(), "status"),
    "app columns": lambda: printer_columns(_apps()),
    "build spec": lambda: custom_fields(_builds(), "spec"),
    "build status": lambda: custom_fields(_builds(), "status"),
    "build columns": lambda: printer_columns(_builds()),
    **{
        f"{name} {part}": functools.partial(_database_fields, name, part)
        for name in ("binding", "mysql", "mysqluser", "mysqldatabase")
        for part in ("spec", "status")
    },
    "served": served,
    "pod fields": lambda: fields(PODS),
    "pod status": lambda: fields(POD_STATUS, "###"),
    "service fields": lambda: fields(SERVICES, "###"),
    "endpointslice fields": lambda: fields(ENDPOINT_SLICES, "###"),
    "claim fields": lambda: fields(CLAIMS, "###"),
    "volume fields": lambda: fields(VOLUMES, "###"),
    "class fields": lambda: fields(CLASSES, "###"),
    "config keys": config_keys,
    "instance settings": instance_settings,
    "home layout": home_layout,
    "metrics": metrics,
    "node metrics": node_metrics,
    "database metrics": database_metrics,
    "database alerts": database_alerts,
}


def main(arguments: Sequence[str]) -> None:
    for page in sorted(Path(arguments[0]).glob("*.md")):
        text: Any = page.read_text()
        page.write_text(rewritten(text))


if __name__ == "__main__":
    main(sys.argv[1:])
