from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.binding import MySQLService, account_name
from pilothouse.platform.databases.pattern.binding.names import prefix_of, variables_of
from pilothouse.platform.databases.pattern.binding.service import Connection


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])), st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_a_url_brings_back_whatever_characters_user_and_password_have(user: str, password: str) -> None:
    url = urlsplit(Connection("mysql", "orders.default.svc", 3306, user, "orders", password, "PEM").url)
    assert (unquote(url.username or ""), unquote(url.password or "")) == (user, password)
    assert (url.hostname, url.port, url.path) == ("orders.default.svc", 3306, "/orders")


def test_nothing_secret_is_shown_of_a_connection() -> None:
    assert "hunter2" not in repr(Connection("mysql", "h", 1, "u", "d", "hunter2", "PEM"))


def binding(name: str, service: str = "orders", **spec: object) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": "0123456789"},
        "spec": {"app": "shop", "service": {"name": service}, **spec},
    }


def test_a_prefix_is_made_of_the_services_name() -> None:
    assert [prefix_of(binding("b", service)) for service in ("orders", "my-db.eu", "2nd")] == ["ORDERS", "MY_DB_EU", "DB_2ND"]
    assert variables_of(binding("b", prefix="DB"))[:2] == ["DB_URL", "DB_HOST"]


def test_an_accounts_name_fits_every_flavour() -> None:
    assert account_name(binding("shop-orders")) == "shop-orders"
    assert account_name(binding("2nd")) == "app-2nd"
    long = account_name(binding("a" * 60))
    assert (len(long), long[-8:]) == (32, "01234567")


def test_rights_to_read_are_no_more() -> None:
    spec = MySQLService().account_spec(binding("b", "my-db", rights="read"), {"metadata": {"name": "my-db"}})
    assert spec["grants"] == [{"privileges": ["SELECT", "SHOW VIEW"], "target": "my_db"}]


def test_a_binding_to_a_restored_instance_leads_to_the_data_that_came_with_the_backup() -> None:
    service, bound = MySQLService(), binding("b", "copy")
    copy = {"metadata": {"name": "copy"}, "status": {"database": "orders"}}
    assert service.missing_database(bound, copy, []) == ""
    assert service.account_spec(bound, copy)["grants"] == [{"privileges": ["ALL"], "target": "orders"}]
