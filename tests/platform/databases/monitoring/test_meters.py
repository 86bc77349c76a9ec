from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.monitoring.meters import figures

NOON = 1796040000.0
AT = ("2026-11-30T12:00:00Z", "2026-11-30T13:00:00Z", "2026-11-30T14:00:00Z")


def instance(name: str = "orders", **status: object) -> Object:
    spec = {"replicas": 3, "backup": {"schedule": "30 3 * * *", "verify": True, "archive": True}}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec, "status": status}


def backup(at: str, phase: str = "Succeeded", name: str = "orders", **status: object) -> Object:
    spec = {"service": {"kind": "MySQL", "name": name}}
    return {"metadata": {"name": at, "namespace": "shop"}, "spec": spec, "status": {"phase": phase, "finishedAt": at, **status}}


def told(one: Object, *backups: Object) -> dict[tuple[str, ...], float]:
    return {(name.removeprefix("pilothouse_mysql_"), *labels): value for name, labels, value in figures([one], backups)}


def test_what_the_operator_found_is_told() -> None:
    conditions = [{"type": "Ready", "status": "True"}]
    members = [{"name": "orders-0", "errant": ""}, {"name": "orders-1", "errant": "0-17-5"}]
    found = told(instance(durable=False, conditions=conditions, members=members, archivedUntil=AT[0]))
    assert found["ready", "shop", "orders"] == 1
    assert found["durable", "shop", "orders"] == 0
    assert found["member_errant", "shop", "orders", "orders-0"] == 0
    assert found["member_errant", "shop", "orders", "orders-1"] == 1
    assert found["archived_until_timestamp_seconds", "shop", "orders"] == NOON


def test_the_newest_backup_that_succeeded_counts_and_the_newest_that_was_compared() -> None:
    found = told(instance(), backup(AT[1]), backup(AT[0], verified={"at": AT[0]}), backup(AT[2], "Failed"))
    assert found["backup_last_success_timestamp_seconds", "shop", "orders"] == NOON + 3600
    assert found["backup_last_verified_timestamp_seconds", "shop", "orders"] == NOON
    assert found["backup_last_failed", "shop", "orders"] == 1


def test_a_backup_that_is_not_what_was_backed_up_has_failed() -> None:
    wrong = backup(AT[0], conditions=[{"type": "Verified", "status": "False"}])
    assert told(instance(), wrong)["backup_last_failed", "shop", "orders"] == 1
    assert told(instance(), wrong, backup(AT[1]))["backup_last_failed", "shop", "orders"] == 0


def test_backups_of_others_and_those_under_way_do_not_count() -> None:
    under_way = backup(AT[0], "Running")
    del under_way["status"]["finishedAt"]
    found = told(instance(), backup(AT[1], name="stock"), under_way)
    assert not [key for key in found if key[0].startswith("backup_last")]
    assert found["backup_scheduled", "shop", "orders"] == 1


def test_a_suspended_instance_is_not_called_unready() -> None:
    one = instance()
    one["spec"]["suspended"] = True
    assert ("ready", "shop", "orders") not in told(one)
