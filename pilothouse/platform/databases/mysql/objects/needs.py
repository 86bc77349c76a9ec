"""What an image must hold for a member to run from it, and the agent's start, which names what is missing (pure).

An image of the platform's own has all of it. One of a registry may not, and would end again and again without a word.
"""

from pilothouse.platform.databases.mysql.types import MySQLSpec

PROGRAMS = {
    "mariadb": (
        *("mariadbd", "mariadb", "mariadb-install-db", "mariadb-backup", "mbstream", "mariadb-dump", "mariadb-binlog"),
        *("python3", "zstd", "openssl"),
    ),
    "mysql": ("mysqld", "mysql", "mysqldump", "mysqlbinlog", "python3", "zstd", "openssl", "tar"),
}
"""By flavour, on the PATH."""
MODULES = ("pymysql", "cryptography")
"""Of Python. The program looks for them itself: see `inside.__main__`."""
LACKS = 78
"""With this code the agent's container ends where the image lacks something (EX_CONFIG of sysexits.h); its message says what."""

START = f"""
lacks=
for each; do command -v "$each" >/dev/null || lacks="$lacks $each"; done
if [ -n "$lacks" ]; then
    echo "its image lacks$lacks" >/dev/termination-log
    exit {LACKS}
fi
exec python3 -I /agent/agent.pyz agent
"""
"""For `/bin/sh -c`, with the programs as its arguments."""


def start(spec: MySQLSpec) -> list[str]:
    """The command of the agent's container."""
    return ["/bin/sh", "-c", START.replace("$", "$$"), "agent", *PROGRAMS[spec.flavour]]
