"""Makes the catalogue of a MySQL server's settings by asking the server itself, which runs for that alone:

    python -m tests.platform.databases.parameters.making ROOT > pilothouse/platform/databases/mysql/parameters/mysql-8.0.json

ROOT is the file system of its image, which is written to. The server says names, bounds and values. What values a choice, a set or flags
may have it does not say, so it is told numbers and says what they mean. What it takes no change of while it runs counts after a restart.
"""

import json
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql

CATALOGUE = Path("pilothouse/platform/databases/mysql/parameters/mysql-8.0.json")
Entry = dict[str, Any]
WORDS = ("character_set_", "collation_", "default_storage_engine", "default_tmp_storage_engine", "default_collation_for_utf8mb4", "lc_")
"""How settings begin that take a name out of what the server has: no list of them is kept here."""
READ_ONLY = 1238
MOST_CHOICES, MOST_FLAGS = 40, 64
LARGE = 1 << 60
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Server:
    """One that listens on a socket below its root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def help(self, *options: str) -> dict[str, str]:
        """What the server would have, by the names of variables, were it started with the options; {} for one that it does not take."""
        argv = ["chroot", str(self.root), "mysqld", "--no-defaults", *options, "--verbose", "--help"]
        done = subprocess.run(argv, capture_output=True, check=False)
        if done.returncode:
            return {}
        rows = done.stdout.decode().partition("\n---")[2].splitlines()[1:]
        found = (re.match(r"(\S+) +(.*)$", row) for row in rows)
        return {match[1].replace("-", "_"): match[2].strip() for match in found if match}

    @contextmanager
    def running(self) -> "Iterator[pymysql.Connection[Any]]":
        place = "/tmp/making"
        subprocess.run(["chroot", str(self.root), "rm", "-rf", place], check=True)
        options = [
            "mysqld",
            "--no-defaults",
            f"--datadir={place}",
            "--user=mysql",
            "--socket=/tmp/making.socket",
            "--secure-file-priv=NULL",
        ]
        subprocess.run(["chroot", str(self.root), *options, "--initialize-insecure"], check=True)
        with subprocess.Popen(["chroot", str(self.root), *options, "--skip-networking"]) as process:
            try:
                with closing(self._connected()) as connection:
                    yield connection
            finally:
                process.terminate()

    def _connected(self) -> "pymysql.Connection[Any]":
        for _ in range(600):
            with suppress(pymysql.OperationalError):
                return pymysql.connect(unix_socket=str(self.root / "tmp/making.socket"), user="root", autocommit=True)
            time.sleep(0.1)
        raise TimeoutError("the server does not answer")


class Catalogue:
    """started: what a server has that is started without options, by variable."""

    def __init__(self, server: Server, connection: "pymysql.Connection[Any]") -> None:
        self._server = server
        self._cursor = connection.cursor()
        self._started = server.help()

    def entries(self) -> Iterator[tuple[str, Entry]]:
        self._cursor.execute(
            "SELECT g.VARIABLE_NAME, g.VARIABLE_VALUE, i.MIN_VALUE, i.MAX_VALUE FROM performance_schema.global_variables g "
            "JOIN performance_schema.variables_info i USING (VARIABLE_NAME) ORDER BY 1"
        )
        for name, value, least, most in self._cursor.fetchall():
            is_known = (name in self._started or name == "time_zone") and not self._is_alias(name)
            if is_known and (found := self._kind(name, value, least, most)):
                yield name, {**found, **({"restart": True} if self._is_fixed(name, value) else {})}

    def _is_alias(self, name: str) -> bool:
        """Of a setting that has another name by now."""
        new = name.replace("slave", "replica").replace("master", "source")
        return new != name and new in self._started

    def _kind(self, name: str, value: str, least: str, most: str) -> Entry:
        if most != "0":
            kind, read = ("number", fraction) if "." in value else ("integer", int)
            return {"kind": kind, "least": read(least), "most": read(most)} if NUMBER.fullmatch(value) else {}
        if re.search(r"=(on|off)(,|$)", value):
            return {"kind": "flags", "choices": [each.partition("=")[0] for each in value.split(",")]}
        if name == "time_zone":
            return {"kind": "zone"}
        if name.startswith(WORDS):
            return {"kind": "word"} if re.fullmatch(r"\w+", value) else {}
        return self._choices(name, value)

    def _choices(self, name: str, value: str) -> Entry:
        """Of a setting that takes numbers for words; {} for any other, which is a path or a text."""
        if NUMBER.fullmatch(value):
            return {}
        first, second, third = (self._meaning(name, number) for number in (1, 2, 3))
        if first and second and third and "," in third:
            bits = [self._meaning(name, 1 << bit) for bit in range(MOST_FLAGS)]
            return {"kind": "set", "choices": list(dict.fromkeys(each.rpartition(",")[2] for each in bits if each and each != "NOT_USED"))}
        found: list[str] = []
        for number in range(MOST_CHOICES):
            word = self._meaning(name, number)
            if word is None or word in found or NUMBER.fullmatch(word) or not word:
                break
            found.append(word)
        if {"ON", "OFF"} == set(found):
            return {"kind": "switch"}
        return {"kind": "choice", "choices": found} if len(found) > 1 and value in found else {}

    def _meaning(self, name: str, number: int) -> str | None:
        """The word that a number stands for; None for none."""
        try:
            self._cursor.execute(f"SET GLOBAL {name} = {number}")
            self._cursor.execute(f"SELECT @@GLOBAL.{name}")
            (found,) = self._cursor.fetchone() or (None,)
            word = {0: "OFF", 1: "ON"}.get(found, found)
            self._cursor.execute(f"SET GLOBAL {name} = DEFAULT")
        except pymysql.MySQLError as error:
            return self._at_start(name, number) if error.args[0] == READ_ONLY else None
        return str(word) if word is not None else None

    def _at_start(self, name: str, number: int) -> str | None:
        found = self._server.help(f"--{name.replace('_', '-')}={number}").get(name)
        return {"TRUE": "ON", "FALSE": "OFF"}.get(found, found) if found is not None else None

    def _is_fixed(self, name: str, value: str) -> bool:
        try:
            self._cursor.execute(f"SET GLOBAL {name} = {value if NUMBER.fullmatch(value) else repr(value)}")
        except pymysql.MySQLError as error:
            return bool(error.args[0] == READ_ONLY)
        return False


def fraction(text: str) -> float:
    """Bounds of some numbers with a fraction are said as the bits of these."""
    found = float(text)
    return found if found < LARGE else float(struct.unpack("d", struct.pack("Q", int(text)))[0])


def main(root: str) -> None:
    server = Server(Path(root))
    with server.running() as connection:
        lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in Catalogue(server, connection).entries()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
