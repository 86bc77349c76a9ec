"""An instance of three members as the tests see it: what its status says, its processes on this machine, and SQL in its pods."""

import json
import os
import signal
import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rig import containers
from bench.rig.writers import TABLE, Plan, Written
from tests.e2e.instance import Instance, eventually

NAME = "orders"
SERVER, AGENT = "database", "agent"
CREATE_S = 600.0
"""With the making of the image, which the first of a home waits for."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """Of servers: what is asked for, the programs, and the statement that gives the transactions that a member has."""

    spec: Mapping[str, str]
    server: str
    client: str
    position: str


MARIADB = Flavour({}, "mariadbd", "mariadb", "SELECT @@gtid_binlog_pos")
MYSQL = Flavour({"flavour": "mysql"}, "mysqld", "mysql", "SELECT @@gtid_executed")


@dataclass(frozen=True)
class Trio:
    cluster: Instance
    namespace: str
    flavour: Flavour = MARIADB

    def create(self, replicas: int = 3, version: str = "", within_s: float = CREATE_S) -> None:
        self.ask(replicas, version)
        self.until_well(within_s)
        self.sql(self.primary, TABLE)

    def ask(self, replicas: int = 3, version: str = "") -> None:
        """For the instance, without waiting for it."""
        self.cluster.kubectl("create", "namespace", self.namespace, check=False)
        spec = {
            **self.flavour.spec,
            "version": version,
            "replicas": replicas,
            "size": "512Mi",
            "resources": {"cpu": "300m", "memory": "384Mi"},
            # The tests' clients are on the first node, and no pods.
            "access": {"clients": [{"cidr": "0.0.0.0/0"}]},
            "deletionProtection": False,
            "finalBackup": False,
        }
        self.apply("MySQL", NAME, **spec)

    def apply(self, kind: str, name: str, **spec: Any) -> None:
        wanted = {"apiVersion": "databases.pilothouse.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.kubectl("apply", "-f", "-", input=json.dumps(wanted))

    def change(self, **spec: Any) -> None:
        self.kubectl("patch", "mysql", NAME, "--type=merge", "-p", json.dumps({"spec": spec}))

    # what the cluster says

    def kubectl(self, *words: str, **given: Any) -> str:
        return self.cluster.kubectl("-n", self.namespace, *words, **given).stdout

    @property
    def status(self) -> dict[str, Any]:
        """Empty while the cluster's API does not answer."""
        said = self.kubectl("get", "mysql", NAME, "-o", "json", check=False)
        found: dict[str, Any] = (json.loads(said).get("status") or {}) if said else {}
        return found

    @property
    def primary(self) -> str:
        return str(self.status.get("primary", ""))

    @property
    def replicas(self) -> list[str]:
        status = self.status
        return [each["name"] for each in status["members"] if each["name"] != status["primary"]]

    def pod(self, member: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.get("-n", self.namespace, "pod", member)
        return found

    def until_well(self, within_s: float = 90, but: str = "") -> None:
        """All members do their part and every acknowledged transaction is on two disks. but: who is not primary then."""

        def is_well() -> bool:
            status = self.status
            members = len(status.get("members", ()))
            safe = members == 1 or (status.get("durable") and len(status.get("acknowledging", ())) == 2)
            whole = status.get("phase") == "Online" and members and status["readyReplicas"] == members
            return bool(safe and whole) and status.get("primary") != (but or "-")

        try:
            eventually(is_well, within_s, 0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def story(self) -> str:
        """For who reads of a failure: the status, and what the platform and the agents have said last."""
        log = (self.cluster.home / "log" / "pilothouse.log").read_text(errors="replace")[-6000:]
        status = self.status
        agents = {
            each["name"]: self.kubectl("logs", each["name"], "-c", AGENT, "--tail=30", check=False) for each in status.get("members", ())
        }
        return "\n".join([json.dumps(status, indent=1), log, *(f"--- {name}\n{said}" for name, said in agents.items())])

    # clients

    def plan(self, folder: Path, name: str = "notes", **more: Any) -> Plan:
        """Of writers that come through the Service."""
        secret = self.cluster.get("-n", self.namespace, "secret", NAME)["data"]
        found = {key: _decoded(value) for key, value in secret.items()}
        authority = folder / f"{self.namespace}.crt"
        authority.write_text(found["ca.crt"])
        service = self.cluster.get("-n", self.namespace, "service", NAME)["spec"]["clusterIP"]
        given = {"host": service, "port": 3306, "user": found["username"], "password": found["password"], "database": found["database"]}
        return Plan(**(given | {"authority": str(authority), "notes": str(folder / name)} | more))

    def sql(self, member: str, *statements: str, check: bool = True) -> str:
        """As the system's user, over the socket in the member's pod; what the client prints."""
        client = [self.flavour.client, "--defaults-file=/run/database/my.cnf", "--batch", "--skip-column-names", "-D", NAME, "-e"]
        return self.kubectl("exec", member, "-c", SERVER, "--", *client, "; ".join(statements), check=check).strip()

    # processes

    def pids(self, member: str, container: str = SERVER) -> list[int]:
        """Of the machine."""
        return containers.pids(containers.container_id(self.pod(member), container))

    def server(self, member: str) -> int:
        found = [pid for pid in self.pids(member) if containers.name(pid) == self.flavour.server]
        assert found, f"{member} has no server"
        return found[0]

    def kill_server(self, member: str) -> float:
        """When, on the writers' clock."""
        pid = self.server(member)
        moment = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return moment

    def kill_agent(self, member: str) -> float:
        pids = self.pids(member, AGENT)
        moment = time.monotonic()
        for pid in pids:
            containers.kill(pid)
        return moment

    def kill_pod(self, member: str) -> float:
        """Everything that runs in it at once, and the runtime's keeper of it first, so that nobody is told."""
        keeper = containers.keeper(self.server(member))
        pids = [keeper, *containers.below(keeper)]
        moment = time.monotonic()
        for pid in pids:
            containers.kill(pid)
        return moment

    # what must be so at the end

    def require_whole(self, plan: Plan, written: Written, within_s: float = 60) -> None:
        """Every acknowledged row is there, no row that nobody has sent, and the members have one history."""
        found = set(self.sql(self.primary, f"SELECT token FROM written WHERE token LIKE '{plan.tag}-%'").splitlines())
        missing = [each.token for each in written.acknowledged if each.token not in found]
        assert not missing, f"{len(missing)} acknowledged rows are lost, such as {missing[:5]}"
        strange = sorted(found - {each.token for each in written.attempts})
        assert not strange, f"{len(strange)} rows that nobody has sent, such as {strange[:5]}"
        self.require_one_history(within_s)

    def require_one_history(self, within_s: float = 60) -> None:
        eventually(lambda: len(set(self.histories().values())) == 1, within_s, 1)

    def histories(self) -> dict[str, str]:
        """Of each member: the checksum of the rows and the transactions that it has."""
        ask = ("CHECKSUM TABLE written", self.flavour.position)
        names = [each["name"] for each in self.status["members"]]
        return {name: self.sql(name, *ask, check=False) for name in names}


def _decoded(text: str) -> str:
    return b64decode(text).decode()
