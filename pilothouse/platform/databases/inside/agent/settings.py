"""What the pod tells its agent, in environment variables."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """member: the pod's name, whose last part is its ordinal. uid: of the instance. user: the system's user that server and agent run as.

    data: the volume; run: a folder in memory that both containers see; tls: the mounted certificate, its key and the authority.
    address, port: of the agent's HTTPS. sql_address, sql_port: of the server.
    """

    member: str
    namespace: str
    instance: str
    uid: str
    flavour: str
    user: str
    data: Path
    run: Path
    tls: Path
    address: str
    port: int
    sql_address: str
    sql_port: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        return cls(
            member=environ["POD_NAME"],
            namespace=environ["POD_NAMESPACE"],
            instance=environ["INSTANCE"],
            uid=environ["INSTANCE_UID"],
            flavour=environ.get("FLAVOUR", "mariadb"),
            user=pwd.getpwuid(os.getuid()).pw_name,
            data=Path(environ.get("DATA", "/data")),
            run=Path(environ.get("RUN", "/run/database")),
            tls=Path(environ.get("TLS", "/tls")),
            address=environ.get("AGENT_ADDRESS", "::"),
            port=int(environ.get("AGENT_PORT", "8443")),
            sql_address=environ.get("SQL_ADDRESS", "*"),
            sql_port=int(environ.get("SQL_PORT", "3306")),
        )

    @property
    def ordinal(self) -> int:
        return int(self.member.rpartition("-")[2])

    @property
    def server_id(self) -> int:
        return self.ordinal + 1

    @property
    def mysql(self) -> Path:
        """The server's own folder. It is there only when it is whole."""
        return self.data / "mysql"

    @property
    def incoming(self) -> Path:
        """Where data are made or received before they become the server's folder."""
        return self.data / "incoming"

    @property
    def memory(self) -> Path:
        """What the agent must not forget."""
        return self.data / "agent"

    @property
    def socket(self) -> Path:
        return self.run / "server.sock"

    @property
    def configuration(self) -> Path:
        return self.run / "my.cnf"

    @property
    def error_log(self) -> Path:
        return self.data / "log" / "error.log"

    @property
    def slow_log(self) -> Path:
        return self.data / "log" / "slow.log"
