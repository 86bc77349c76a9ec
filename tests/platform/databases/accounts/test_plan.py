"""Accounts and databases, planned from plain objects."""

import base64
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.accounts import rotation, wanted
from pilothouse.platform.databases.mysql.accounts.check import account_faults
from pilothouse.platform.databases.mysql.accounts.names import FINALIZER, is_left_over
from pilothouse.platform.databases.mysql.accounts.plan import plan
from pilothouse.platform.databases.mysql.accounts.seen import Seen, Steps

NOW_S = meta.parse_rfc3339("2026-11-30T12:00:00Z")
AT = "2026-11-30T11:59:00Z"


def instance(**spec: Any) -> Object:
    return {"kind": "MySQL", "metadata": {"name": "orders", "namespace": "default", "uid": "orders-uid"}, "spec": spec}


def user(name: str = "shop", /, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": f"{name}-uid", "generation": 1, "finalizers": [FINALIZER]}
    return {"kind": "MySQLUser", "metadata": metadata, "spec": {"instance": "orders", **spec}}


def database(name: str = "reports", /, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": f"{name}-uid", "generation": 1}
    return {"kind": "MySQLDatabase", "metadata": metadata, "spec": {"instance": "orders", **spec}}


def secret(owner: Object | None, password: str = "one", version: str = "5", **more: str) -> Object:
    references = [meta.owner_reference(owner, "databases.pilothouse.dev/v1", owner["kind"])] if owner is not None else []
    data = {key: base64.b64encode(value.encode()).decode() for key, value in ({"password": password} | more).items()}
    return {"metadata": {"name": "x", "resourceVersion": version, "uid": "secret-uid", "ownerReferences": references}, "data": data}


def deleting(obj: Object, **status: Any) -> Object:
    return obj | {"metadata": obj["metadata"] | {"deletionTimestamp": AT}, "status": {"applied": True, **status}}


def steps(seen: Seen) -> Steps:
    return plan(seen, lambda: "random")


def ready(found: Steps, name: str) -> tuple[str, str, str]:
    status = next(status for obj, status in found.statuses if meta.name(obj) == name)
    condition = meta.condition({"status": status}, "Ready") or {}
    return condition["status"], condition["reason"], condition["message"]


def released(found: Steps) -> list[str]:
    return [meta.name(obj) for obj, finalizers in found.finalizers if FINALIZER not in finalizers]


def heard_of(*entries: Object, error: str = "") -> dict[str, Object]:
    return {f"account/{each['name']}": {"version": each["version"], "error": error} for each in entries}


def test_a_secret_that_is_not_there_is_made_with_a_random_password() -> None:
    (made,) = steps(Seen(instance(), [user()], now_s=NOW_S)).secrets
    assert (meta.name(made), base64.b64decode(made["data"]["password"])) == ("orders-shop", b"random")
    assert (meta.controller_of(made) or {})["uid"] == "shop-uid"


def test_an_account_is_ready_when_the_server_has_it_as_it_is() -> None:
    shop, own = user(), secret(user())
    entry = wanted.account_entry(shop, own, ["orders"])
    seen = Seen(instance(), [shop], (), {"orders-shop": own}, {}, NOW_S)
    assert ready(steps(seen), "shop")[1] == "Waiting"
    seen = Seen(instance(), [shop], (), {"orders-shop": own}, heard_of(entry), NOW_S)
    assert ready(steps(seen), "shop")[:2] == ("True", "Applied")
    (status,) = [status for _, status in steps(seen).statuses]
    assert status["secretVersion"] == "5"
    seen = Seen(instance(), [shop], (), {"orders-shop": own}, heard_of(entry, error="no"), NOW_S)
    assert ready(steps(seen), "shop") == ("False", "Refused", "no")


def test_an_entrys_version_differs_when_anything_does_and_tells_no_password() -> None:
    shop = user(grants=[{"privileges": ["SELECT"], "target": "orders"}])
    first = wanted.account_entry(shop, secret(shop, "hunter2"), ["orders"])
    others = [
        wanted.account_entry(shop, secret(shop, "hunter2", "6"), ["orders"]),
        wanted.account_entry(user(), secret(shop, "hunter2"), ["orders"]),
        wanted.account_entry(shop | {"spec": shop["spec"] | {"maxConnections": 3}}, secret(shop, "hunter2"), ["orders"]),
    ]
    assert len({each["version"] for each in (first, *others)}) == 4
    assert wanted.account_entry(shop, secret(shop, "other"), ["orders"])["version"] == first["version"]


def test_what_was_applied_is_believed_until_the_primary_is_heard_of() -> None:
    status = {"observedGeneration": 1, "secretVersion": "5", "conditions": [{"type": "Ready", "status": "True", "reason": "Applied"}]}
    seen = Seen(instance(), [user() | {"status": status}], (), {"orders-shop": secret(user())}, None, NOW_S)
    assert ready(steps(seen), "shop")[0] == "True"


def test_a_secret_of_somebodys_is_used_and_never_changed() -> None:
    shop = user(secret="mine", rotatedAt=AT)
    own = secret(None, "chosen")
    entry = wanted.account_entry(shop, own, ["orders"])
    found = steps(Seen(instance(), [shop], (), {"mine": own}, heard_of(entry), NOW_S))
    assert found.secrets == []
    assert ready(found, "shop")[:2] == ("True", "SecretNotOurs")
    without = {"metadata": own["metadata"], "data": {"x": "eA=="}}
    assert ready(steps(Seen(instance(), [shop], (), {"mine": without}, None, NOW_S)), "shop")[1] == "NoPassword"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "root"}, "account root is the system's own"),
        ({"name": "mariadb.sys"}, "the system's own"),
        ({"name": "pilothouse_archive"}, "the system's own"),
        ({"name": "orders"}, "account orders is the instance's own"),
        ({"name": "a" * 81}, "mariadb takes 80"),
        ({"secret": "orders-system"}, "the Secret orders-system is the instance's own"),
    ],
)
def test_what_would_reach_the_server_itself_is_refused(spec: Object, said: str) -> None:
    assert said in "; ".join(account_faults(user(**spec), "mariadb"))
    shop = user(**spec)
    assert wanted.accounts_of(instance(), [shop], [], {"orders-shop": secret(shop), "orders-system": secret(shop)}) == []


@pytest.mark.parametrize(
    ("grant", "said", "given"),
    [
        ({"privileges": ["SELECT", "SUPER"], "target": "*"}, "SUPER cannot be granted on *", [{"privileges": ["SELECT"], "on": "orders"}]),
        ({"privileges": ["EVENT", "LOCK TABLES"], "target": "orders.items"}, "EVENT and LOCK TABLES cannot be granted", []),
        ({"privileges": ["PROCESS"], "target": "orders"}, "PROCESS cannot be granted on orders", []),
        ({"privileges": ["ALL"], "target": "mysql"}, "database mysql is the server's own", []),
        ({"privileges": ["SELECT"], "target": "sys.x"}, "database sys is the server's own", []),
    ],
)
def test_a_right_that_nobody_is_given_is_named_and_holds_up_nothing_else(grant: Object, said: str, given: list[Object]) -> None:
    good = {"privileges": ["SELECT"], "target": "orders"}
    shop = user(grants=[grant, good], rotatedAt=AT)
    own = secret(shop)
    entry = wanted.account_entry(shop, own, ["orders"])
    assert entry["grants"] == [*given, {"privileges": ["SELECT"], "on": "orders"}]
    found = steps(Seen(instance(), [shop], (), {"orders-shop": own}, heard_of(entry), NOW_S))
    assert ready(found, "shop")[:2] == ("False", "GrantsRefused")
    assert said in ready(found, "shop")[2]
    assert [meta.name(each) for each in found.secrets] == ["x"], "its password is rotated all the same"


def test_a_right_that_the_server_refuses_is_named_beside_those_that_nobody_is_given() -> None:
    shop = user(grants=[{"privileges": ["SUPER"], "target": "orders"}])
    own = secret(shop)
    heard = {"account/shop": {"version": wanted.account_entry(shop, own, [])["version"], "error": "no table", "partial": True}}
    found = steps(Seen(instance(), [shop], (), {"orders-shop": own}, heard, NOW_S))
    status, reason, message = ready(found, "shop")
    assert (status, reason, message.rpartition("; ")[2]) == ("False", "GrantsRefused", "no table")
    assert message.startswith("SUPER cannot be granted")


def test_a_right_whose_table_is_not_there_is_waited_for_and_the_account_counts() -> None:
    shop = user(grants=[{"privileges": ["SELECT"], "target": "orders.later"}])
    own = secret(shop)
    said = {"version": wanted.account_entry(shop, own, [])["version"], "error": "waits for that table", "partial": True, "waits": True}
    found = steps(Seen(instance(), [shop], (), {"orders-shop": own}, {"account/shop": said}, NOW_S))
    assert ready(found, "shop") == ("False", "GrantsWait", "waits for that table")
    assert found.statuses[0][1]["applied"]


def test_a_right_on_everything_is_one_on_each_database_of_the_instance() -> None:
    shop = user(grants=[{"privileges": ["SELECT", "PROCESS"], "target": "*"}])
    entries = wanted.accounts_of(instance(), [shop], [database(), database("bad", name="mysql")], {"orders-shop": secret(shop)})
    assert entries[0]["grants"] == [
        {"privileges": ["PROCESS"], "on": "*"},
        {"privileges": ["SELECT"], "on": "orders"},
        {"privileges": ["SELECT"], "on": "reports"},
    ]


def test_a_restored_instances_own_account_has_the_database_of_its_backup() -> None:
    copy = instance() | {"status": {"database": "shop"}}
    (own,) = wanted.accounts_of(copy, (), (), {"orders": secret(None)})
    assert (own["name"], own["grants"]) == ("orders", [{"privileges": ["ALL"], "on": "shop"}])
    assert [each["name"] for each in wanted.databases_of(copy, (), (), {})] == ["shop"]
    assert [each["name"] for each in wanted.databases_of(copy, (), [database("orders"), database("shop")], {})] == ["shop", "orders"]


def test_of_two_objects_for_one_account_the_older_counts() -> None:
    old, new = user("zebra", name="shop"), user()
    old["metadata"]["creationTimestamp"], new["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    secrets = {"orders-zebra": secret(old, "old"), "orders-shop": secret(new, "new")}
    found = steps(Seen(instance(), [new, old], (), secrets, None, NOW_S))
    assert ready(found, "shop") == (
        "False",
        "NameTaken",
        "account shop is already that of the older MySQLUser zebra: choose another spec.name",
    )
    assert [each["password"] for each in wanted.accounts_of(instance(), [new, old], [], secrets)] == ["old"]
    assert [each["password"] for each in wanted.accounts_of(instance(), [new, deleting(old)], [], secrets)] == ["new"]
    assert wanted.dropped_of(instance(), [new, deleting(old)], [], secrets) == []


def test_an_account_goes_when_the_server_has_dropped_it() -> None:
    shop = deleting(user())
    (entry,) = wanted.dropped_of(instance(), [shop], [], {})
    assert (entry["kind"], entry["name"]) == ("account", "shop")
    found = steps(Seen(instance(), [shop], (), {}, {}, NOW_S))
    assert (released(found), ready(found, "shop")[1]) == ([], "Dropping")
    failed = steps(Seen(instance(), [shop], (), {}, heard_of(entry, error="locked"), NOW_S))
    assert (released(failed), ready(failed, "shop")[1]) == ([], "DropFailed")
    assert released(steps(Seen(instance(), [shop], (), {}, heard_of(entry), NOW_S))) == ["shop"]


def test_an_account_goes_at_once_where_no_server_is_left() -> None:
    shop = deleting(user())
    going = instance(deletionProtection=False)
    going["metadata"]["deletionTimestamp"] = AT
    assert released(steps(Seen(None, [shop], now_s=NOW_S))) == ["shop"]
    assert released(steps(Seen(going, [shop], now_s=NOW_S))) == ["shop"]
    protected = going | {"spec": {"deletionProtection": True}}
    assert released(steps(Seen(protected, [shop], now_s=NOW_S))) == []


def test_what_goes_while_an_instance_is_suspended_is_dropped_when_it_runs_again() -> None:
    found = steps(Seen(instance(suspended=True), [deleting(user())], (), {}, {}, NOW_S))
    assert (released(found), found.drop_later) == (["shop"], "account/shop")
    resumed = instance()
    resumed["metadata"]["annotations"] = {"databases.pilothouse.dev/drop-later": "account/shop"}
    (entry,) = wanted.dropped_of(resumed, [], [], {})
    assert entry["name"] == "shop"
    assert steps(Seen(resumed, [], (), {}, {}, NOW_S)).drop_later is None
    assert steps(Seen(resumed, [], (), {}, heard_of(entry), NOW_S)).drop_later == ""
    again = user()
    assert wanted.dropped_of(resumed, [again], [], {"orders-shop": secret(again)}) == []
    assert steps(Seen(resumed, [again], (), {"orders-shop": secret(again)}, {}, NOW_S)).drop_later == ""


def test_an_account_counts_for_the_instance_that_took_it_up_alone() -> None:
    shop = user()
    (status,) = [status for _, status in steps(Seen(instance(), [shop], (), {"orders-shop": secret(shop)}, {}, NOW_S)).statuses]
    assert status["instanceUid"] == "orders-uid"
    earlier = shop | {"status": {"instanceUid": "earlier-uid", "applied": True}}
    assert [is_left_over(shop, each) for each in (instance(), None)] == [False, False]
    assert [is_left_over(earlier, each) for each in (instance(), None)] == [True, True]
    bound = earlier | {"metadata": earlier["metadata"] | {"ownerReferences": [{"controller": True, "uid": "binding-uid"}]}}
    assert [is_left_over(bound, each) for each in (instance(), None)] == [False, False]


def test_what_an_earlier_instance_of_the_name_had_goes_and_drops_nothing() -> None:
    earlier = user()
    assert steps(Seen(instance(), left_over=[earlier], now_s=NOW_S)).remove == [earlier]
    assert steps(Seen(None, left_over=[earlier], now_s=NOW_S)).remove == [earlier]
    found = steps(Seen(instance(), left_over=[deleting(earlier)], now_s=NOW_S))
    assert (found.remove, released(found), found.drop_later) == ([], ["shop"], None)


def test_what_was_always_refused_drops_nothing() -> None:
    refused = deleting(user(), applied=False, conditions=[{"type": "Ready", "status": "False", "reason": "NameTaken"}])
    assert released(steps(Seen(instance(), [refused], now_s=NOW_S))) == ["shop"]


def test_tables_go_with_their_object_only_when_that_is_asked_for() -> None:
    kept, dropped = database(), database(onDelete="drop")
    assert steps(Seen(instance(), (), [kept], now_s=NOW_S)).finalizers == []
    ((_, finalizers),) = steps(Seen(instance(), (), [dropped], now_s=NOW_S)).finalizers
    assert finalizers == [FINALIZER]
    dropped["metadata"]["finalizers"] = [FINALIZER]
    (entry,) = wanted.dropped_of(instance(), [], [deleting(dropped)], {})
    assert (entry["kind"], entry["name"]) == ("database", "reports")


def test_no_account_is_told_of_before_it_has_its_finalizer() -> None:
    shop = user()
    shop["metadata"]["finalizers"] = []
    assert wanted.accounts_of(instance(), [shop], [], {"orders-shop": secret(shop)}) == []


def test_a_rotation_keeps_the_old_password_for_its_time() -> None:
    shop = user(rotatedAt=AT, keepOldSeconds=60)
    (changed,) = steps(Seen(instance(), [shop], (), {"orders-shop": secret(shop)}, None, NOW_S)).secrets
    assert wanted.text_of(changed, "password") == "random"
    assert wanted.text_of(changed, "old-password") == "one"
    later = Seen(instance(), [shop], (), {"orders-shop": changed}, None, NOW_S + 59)
    assert (steps(later).secrets, steps(later).again_s) == ([], 1.0)
    (ended,) = steps(Seen(instance(), [shop], (), {"orders-shop": changed}, None, NOW_S + 60)).secrets
    assert wanted.text_of(ended, "old-password") == ""
    assert steps(Seen(instance(), [shop], (), {"orders-shop": ended}, None, NOW_S + 61)).secrets == []


def test_the_next_rotation_waits_for_the_end_of_the_old_password() -> None:
    shop = user(rotatedAt=AT, keepOldSeconds=60)
    (changed,) = steps(Seen(instance(), [shop], (), {"orders-shop": secret(shop)}, None, NOW_S)).secrets
    again = user(rotatedAt="2026-11-30T12:00:30Z", keepOldSeconds=60)
    entry = wanted.account_entry(again, changed, ["orders"])
    found = steps(Seen(instance(), [again], (), {"orders-shop": changed}, heard_of(entry), NOW_S + 30))
    assert (found.secrets, ready(found, "shop")[1]) == ([], "RotationWaits")


def test_the_instances_own_account_has_a_new_password_in_its_address_too() -> None:
    rotated = instance(rotatedAt=AT)
    own = secret(None, "p@ss/1", uri="mysql://orders:p%40ss%2F1@orders.default.svc:3306/orders?ssl-mode=REQUIRED")
    own["metadata"] |= labels.metadata(rotated, "orders")
    found = steps(Seen(rotated, (), (), {"orders": own}, None, NOW_S))
    (changed,) = found.secrets
    assert wanted.text_of(changed, "uri") == "mysql://orders:random@orders.default.svc:3306/orders?ssl-mode=REQUIRED"
    applied = steps(Seen(rotated, (), (), {"orders": changed}, heard_of(wanted.own_entry(rotated, changed)), NOW_S))
    assert applied.statuses == [(rotated, {"rotatedAt": AT})]
    assert rotation.KEEP_OWN_S - 1 < (applied.again_s or 0) <= rotation.KEEP_OWN_S
