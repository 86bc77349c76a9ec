"""What the images of MariaDB and MySQL are made of: distributions' packages and nothing of ours, since a pod says what runs in it.

Members run two containers of one: the server, and the agent, whose Python program a ConfigMap carries.
"""

from pilothouse.oci.packages.programs import Program
from pilothouse.oci.packages.recipe import Recipe

USER_ID = 999
"""Of the user and of the group `mysql`, as in the public images: a volume goes from one to the other without a change."""
_MARIADB = ("mariadb-server-core", "mariadb-client", "mariadb-backup", "tzdata")
"""Of the package mariadb-server, which brings 185 MB more, are only the plugins missing."""
_AGENT = ("python3", "python3-cryptography", "python3-pymysql", "openssl", "zstd", "ca-certificates")
_NOT_OF_MARIADB = (
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

_MYSQL = ("mysql-server-core-8.0", "mysql-client-core-8.0", "tzdata")
_NOT_OF_MYSQL = (
    "/usr/lib/*/perl/5*",
    "/usr/share/perl/5*",
    *(
        f"/usr/bin/{name}"
        for name in (
            *("mysqlpump", "myisam*", "mysql_migrate_keyring", "mysqlslap", "mysqlimport", "mysqlshow", "mysql_secure_installation"),
            *("mysql_upgrade", "mysqlcheck", "mysqld_multi", "mysqld_safe", "mysqldumpslow", "mysql_ssl_rsa_setup", "mysql_config_editor"),
            *("ibd2sdi", "innochecksum"),
        )
    ),
    *(
        f"/usr/lib/mysql/plugin/{name}.so"
        for name in ("group_replication", "component_keyring_file", "keyring_*", "innodb_engine", "libmemcached", "libpluginmecab")
    ),
)
"""Programs of which each is 6 MB, since each has the client's library in it, and plugins for what the platform does otherwise."""


def _recipe(packages: tuple[str, ...], left_out: tuple[str, ...]) -> Recipe:
    return Recipe(
        packages=(*packages, *_AGENT),
        hooks=(
            f'chroot "$1" groupadd --gid {USER_ID} mysql',
            f'chroot "$1" useradd --uid {USER_ID} --gid mysql --no-create-home --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql',
            # The server lists the folder of plugins, which may be another package's.
            'mkdir -p "$1"/usr/lib/mysql/plugin "$1"/var/lib/mysql',
            'chroot "$1" chown mysql:mysql /var/lib/mysql',
        ),
        config={"User": f"{USER_ID}:{USER_ID}", "ExposedPorts": {"3306/tcp": {}}},
        left_out=left_out,
    )


MARIADB = Program(
    name="mariadb",
    package="mariadb-server-core",
    series={"bookworm": "10.11", "trixie": "11.8", "noble": "10.11"},
    recipe=_recipe(_MARIADB, _NOT_OF_MARIADB),
)
MYSQL = Program(
    name="mysql",
    package="mysql-server-core-8.0",
    series={"noble": "8.0"},
    recipe=_recipe(_MYSQL, _NOT_OF_MYSQL),
    elsewhere=("noble",),
)
DEFAULT_FLAVOUR = "mariadb"
PROGRAMS = {"mariadb": MARIADB, "mysql": MYSQL}
"""By flavour."""
