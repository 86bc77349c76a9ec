"""What MariaDB's image is made of: Debian's packages and nothing of ours, since a pod says what runs in it.

Members run two containers of it: the server, and the agent, whose Python program a ConfigMap carries.
"""

from pilothouse.oci.packages.programs import Program
from pilothouse.oci.packages.recipe import Recipe

USER_ID = 999
"""Of the user and of the group `mysql`, as in the public images: a volume goes from one to the other without a change."""
_SERVER = ("mariadb-server-core", "mariadb-client", "mariadb-backup", "tzdata")
"""Of the package mariadb-server, which brings 185 MB more, are only the plugins missing."""
_AGENT = ("python3", "python3-cryptography", "python3-pymysql", "openssl", "zstd", "ca-certificates")
_LEFT_OUT = (
    "/usr/lib/*/perl/5*",
    "/usr/share/perl/5*",
    "/usr/bin/mariadb-conv",
    "/usr/bin/mariadb-plugin",
    "/usr/bin/mariadb-slap",
    "/usr/bin/mariadb-waitpid",
    "/usr/bin/replace",
    "/usr/bin/resolve_stack_dump",
)
"""72 of 332 MB: the whole of Perl, which scripts of mariadb-client alone use, and programs for what nobody does in here."""

MARIADB = Program(
    name="mariadb",
    package="mariadb-server-core",
    series={"bookworm": "10.11", "trixie": "11.8", "noble": "10.11"},
    recipe=Recipe(
        packages=(*_SERVER, *_AGENT),
        hooks=(
            f'chroot "$1" groupadd --gid {USER_ID} mysql',
            f'chroot "$1" useradd --uid {USER_ID} --gid mysql --no-create-home --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql',
            # The server lists the folder of plugins, which is another package's.
            'mkdir -p "$1"/usr/lib/mysql/plugin "$1"/var/lib/mysql',
            'chroot "$1" chown mysql:mysql /var/lib/mysql',
        ),
        config={"User": f"{USER_ID}:{USER_ID}", "ExposedPorts": {"3306/tcp": {}}},
        left_out=_LEFT_OUT,
    ),
)
