"""Option values that are checked where they are read."""

import ipaddress
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from pilothouse.cli.mysql import completing
from pilothouse.model import meta
from pilothouse.model.cron import utc
from pilothouse.model.json import Object
from pilothouse.platform.apps import check
from pilothouse.platform.databases.pattern.patterns import NAME

INSTANCE = click.argument("instance", shell_complete=completing.instances)
LONGEST_NAME = 40
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?")
_CLIENT = re.compile(
    r"((?P<namespace>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/)?"
    r"((?P<key>([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)=(?P<value>[A-Za-z0-9_.-]*))?"
)
"""Namespace, label, or both. A word without dots before the first slash is a namespace, and one with dots the prefix of a label's key."""
_AGO_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def new_name(context: click.Context, param: click.Parameter, name: Any) -> Any:
    """A callback: the name of an instance that is to be made."""
    if name is None or re.fullmatch(NAME, name):
        return name
    plain = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-").lstrip("-0123456789")
    example = plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME + 1].rpartition("-")[0] or plain[:LONGEST_NAME]
    rule = f"use at most {LONGEST_NAME} lower case letters, digits and dashes, a letter first, no dash last"
    raise click.BadParameter(f"{name!r} is no name for an instance: {rule}" + (f", such as {example}" if example else ""))


def quantity(resource: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback. resource: cpu, memory or storage."""

    def callback(context: click.Context, param: click.Parameter, text: Any) -> Any:
        if text is not None and (fault := check.quantity(resource, text) or ("" if text else "an empty value is none")):
            raise click.BadParameter(fault, context, param)
        return text

    return callback


def schedule(context: click.Context, param: click.Parameter, text: Any) -> Any:
    """A callback: when to back up."""
    if text:
        try:
            utc.parse(text)
        except utc.ScheduleError as error:
            raise click.BadParameter(str(error), context, param) from error
    return text


class _Replicas(click.ParamType[int]):
    """How many members an instance may have: with two, neither could tell that the other is gone from that it is cut off."""

    name = "replicas"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if text.isascii() and text.isdigit() and int(text) in (1, *range(3, 10)):
            return int(text)
        self.fail(f"{text!r} is no number of members: an instance has 1, or 3 to 9 of which one is the primary", param, ctx)


REPLICAS = _Replicas()


class _Version(click.ParamType[str]):
    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if re.fullmatch(r"[0-9]+(\.[0-9]+){1,2}", str(value)):
            return str(value)
        self.fail(f"{value!r} is no version: write one such as 10.11 or 10.11.18", param, ctx)


VERSION = _Version()


def image(context: click.Context, param: click.Parameter, text: Any) -> Any:
    """A callback: an image of a registry."""
    if text is not None and (fault := check.image(text) or ("" if text else "an empty name is no image")):
        raise click.BadParameter(fault, context, param)
    return text


IMAGE = click.option("--image", metavar="IMAGE", callback=image, help="Of the server, from a registry, in place of one of the platform's.")


class _Moment(click.ParamType[str]):
    """A time of RFC 3339 as the API has it, in UTC; `10m` is ten minutes ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if ago := re.fullmatch(r"([0-9]+)([smhd])", text):
            return meta.rfc3339_micro(time.time() - int(ago[1]) * _AGO_S[ago[2]])
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time: write 2026-11-30T12:00:00Z, or 10m for ten minutes ago", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{text!r} does not say in which zone: end it with Z for UTC, or with an offset such as +01:00", param, ctx)
        utc = moment.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if utc.microsecond else "%Y-%m-%dT%H:%M:%SZ")


MOMENT = _Moment()


def parameters(context: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """A callback: the server's own settings from texts NAME=VALUE; dashes are underscores."""
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE, such as max_connections=200", context, param)
        found[parameter(key, context, param)] = value
    return found


def parameter(text: str, context: click.Context | None = None, param: click.Parameter | None = None) -> str:
    key = text.replace("-", "_").lower()
    if not _PARAMETER.fullmatch(key):
        raise click.BadParameter(f"{text!r} is no name of a parameter: write one such as max_connections", context, param)
    return key


def clients(context: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[Object]:
    """A callback: who may connect, from texts such as app=reports, tools/app=reports, tools/ and 10.1.0.0/16."""
    return [_client(text, context, param) for text in given]


def _client(text: str, context: click.Context, param: click.Parameter) -> Object:
    if (network := _network(text)) is not None:
        return {"cidr": network}
    found = _CLIENT.fullmatch(text)
    if found is None or not (found["namespace"] or found["key"]):
        example = "app=reports, tools/app=reports (of namespace tools), tools/ (all of it) or 10.1.0.0/16"
        raise click.BadParameter(f"{text!r} names no clients: write {example}", context, param)
    namespace, key, value = found["namespace"], found["key"], found["value"]
    return {**({"namespace": namespace} if namespace else {}), **({"labels": {key: value}} if key else {})}


def _network(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text)) if "/" in text else None
    except ValueError:
        return None
