"""Where the kinds of databases stand in the API: for whoever reads and writes them without their models."""

from pilothouse.model.resource import Resource

GROUP = "databases.pilothouse.dev"


def _resource(plural: str, kind: str, *short_names: str, subresources: tuple[str, ...] = ("status",)) -> Resource:
    return Resource(
        GROUP,
        "v1",
        plural,
        kind,
        singular=kind.lower(),
        short_names=short_names,
        categories=("pilothouse",),
        subresources=subresources,
        custom=True,
    )


MYSQLS = _resource("mysqls", "MySQL", "my", subresources=("status", "scale"))
MYSQL_DATABASES = _resource("mysqldatabases", "MySQLDatabase", "mydb")
MYSQL_USERS = _resource("mysqlusers", "MySQLUser", "myuser")
BACKUPS = _resource("backups", "Backup")
BACKUP_STORES = _resource("backupstores", "BackupStore")
BINDINGS = _resource("bindings", "Binding", "bind")
