"""`ph mysql connect`: the server's own client, in the container of the member that it talks to.

The password goes to the member as standard input, into a file in memory which only the server's user may read. The client reads it
through a descriptor; the file's name is gone before it starts. So no password is in an argument, a variable or a list of processes.
"""

import base64
import contextlib
import os
import secrets
import sys
from typing import TYPE_CHECKING

import click

from pilothouse.cli.mysql import completing, standing, values
from pilothouse.cli.mysql.accounts import find_user, first
from pilothouse.cli.mysql.inside import DATABASE, ran
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

KEEP = 'umask 077; cat >"$1"'
"""A fixed text for /bin/sh; $1: a file that `given` names."""
TALK = 'exec 3<"$1"; rm -f "$1"; shift; program=$1; shift; exec "$program" --defaults-file=/dev/fd/3 "$@"'
"""$1: that file; then the program and its arguments."""
CHARACTERS = "default-character-set=utf8mb4"
"""The client's own default is three bytes a character: what needs four arrives as question marks, or is refused."""
SERVER_FILE = "/run/database/my.cnf"
"""Of the server, with the way to its socket. There the container's user is known to be the administrator, without a password."""


@click.command()
@values.INSTANCE
@NAMESPACE
@click.option("-e", "--execute", metavar="SQL", help="Run these statements and stop.")
@click.option("--read", is_flag=True, help="Talk to a replica, where there is one.")
@click.option("--member", metavar="MEMBER", shell_complete=completing.members, help="Talk to this member (default: the primary).")
@click.option("--user", metavar="USER", shell_complete=completing.users, help="Sign in as this account (default: the instance's own).")
@click.option(
    "--database",
    metavar="DATABASE",
    shell_complete=completing.databases,
    help="Use this database (default: the first that the account may use; with --root none).",
)
@click.option("--root", is_flag=True, help="Sign in as the server's administrator, over the socket that the member alone has.")
@pass_session
def connect(
    session: Session,
    instance: str,
    namespace: str,
    execute: str | None,
    read: bool,
    member: str | None,
    user: str | None,
    database: str | None,
    root: bool,
) -> None:
    """Talk SQL with an instance: on a terminal, from a pipe, or a statement.

    \b
    Examples:
      ph mysql connect orders
      ph mysql connect orders -e 'SELECT COUNT(*) FROM items'
      ph mysql connect orders < schema.sql
      ph mysql connect orders --root -e 'SHOW ENGINE INNODB STATUS'
    """
    if root and user:
        raise click.UsageError("--root and --user exclude each other")
    if read and member:
        raise click.UsageError("--read and --member exclude each other")
    more = ["--execute", execute] if execute is not None else []
    pod, words = run(_prepare(session, instance, namespace, read=read, member=member, user=user, database=database, root=root))
    sys.exit(_talk(session, namespace, pod, [*words, *more]))


async def _prepare(
    session: Session, name: str, namespace: str, *, read: bool, member: str | None, user: str | None, database: str | None, root: bool
) -> tuple[str, list[str]]:
    """The member, and what is run in it."""
    from pilothouse.cli.mysql.lookup import find_instance, require_running

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        require_running(instance)
        pod = chosen(instance, member, read=read)
        program = "mysql" if instance["spec"].get("flavour") == "mysql" else "mariadb"
        if root:
            return pod, [program, f"--defaults-file={SERVER_FILE}", f"--{CHARACTERS}", *([f"--database={database}"] if database else [])]
        signed = await account(client, instance, user)
        file = f"/run/database/client-{secrets.token_hex(8)}.cnf"
        text = options(signed["username"], signed["password"], database or signed["database"], program)
        await ran(client, pod, namespace, DATABASE, ["/bin/sh", "-c", KEEP, "sh", file], text.encode())
    return pod, ["/bin/sh", "-c", TALK, "sh", file, program]


def chosen(instance: Object, member: str | None, *, read: bool) -> str:
    """The member to talk to: one that is ready where any may be taken."""
    from pilothouse.cli.mysql.lookup import primary, require_member

    if member is not None:
        return require_member(instance, member)
    replicas = [each for each in standing.status(instance).get("members") or () if each.get("role") == "replica" and each.get("ready")]
    if read and replicas:
        return str(min(replicas, key=lambda each: (each.get("lagSeconds") or 0.0, each["name"]))["name"])
    return primary(instance)


async def account(client: "Client", instance: Object, user: str | None) -> dict[str, str]:
    """username, password and database by the Secret of the instance, or of one of its accounts."""
    from pilothouse.cli.mysql.users import secret_of
    from pilothouse.model import kinds

    name, namespace = meta.name(instance), meta.namespace(instance)
    secret, database = (standing.status(instance).get("binding") or {}).get("name") or name, ""
    if user not in (None, first(name)):
        signed = await find_user(client, instance, user)
        secret, database = secret_of(signed), usable(signed, name)
    found = await client.get_or_none(kinds.SECRETS, secret, namespace)
    if found is None:
        raise click.ClickException(f"the Secret {secret} with the password is not in namespace {namespace}")
    held = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
    if "password" not in held:
        raise click.ClickException(f"the Secret {secret} of namespace {namespace} holds no password")
    return {
        "username": user or held.get("username") or name,
        "password": held["password"],
        "database": database or held.get("database", ""),
    }


def usable(user: Object, instance: str) -> str:
    """The database that an account begins in: the first that it has rights on; "" for none."""
    targets = [each["target"].partition(".")[0] for each in user["spec"].get("grants") or ()]
    return next((first(instance) if each == "*" else each for each in targets), "")


def options(user: str, password: str, database: str, program: str) -> str:
    """A file of options for the client, which talks to its own member over the loopback: that has a name in no certificate."""
    tls = ["ssl-mode=VERIFY_CA"] if program == "mysql" else ["ssl", "disable-ssl-verify-server-cert"]
    lines = ["[client]", "protocol=tcp", "host=127.0.0.1", "port=3306", CHARACTERS, "ssl-ca=/tls/ca.crt", *tls]
    lines += [f"user={quoted(user)}", f"password={quoted(password)}"]
    return "\n".join([*lines, "[mysql]", *([f"database={quoted(database)}"] if database else []), ""])


def quoted(text: str) -> str:
    """As option files have it. Source: MariaDB, "Configuring MariaDB with Option Files", escape sequences."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{escaped}"'


def _talk(session: Session, namespace: str, pod: str, words: list[str]) -> int:
    from pilothouse.cli.cluster.kube import kubectl_exec

    with contextlib.suppress(BrokenPipeError):
        return kubectl_exec(session, namespace, pod, words, container=DATABASE)
    return os.EX_IOERR
