import pytest

from pilothouse.client.proxy import proxy_for


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", ".internal,10.0.0.1")


def test_a_server_elsewhere_is_reached_through_the_proxy() -> None:
    assert proxy_for("https://cluster.example:6443") == "http://proxy:3128"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "api.internal", "10.0.0.1"])
def test_this_machine_and_the_exceptions_are_reached_directly(host: str) -> None:
    assert proxy_for(f"https://{host}:6443") is None
