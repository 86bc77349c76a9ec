from pathlib import Path

import click
import pytest

from pilothouse.cli.apps.compose import read_project, settled, wished
from pilothouse.cli.apps.prepare import NOTHING
from pilothouse.cli.apps.wish import Prepared, app
from pilothouse.model.json import Object

FILE = """
services:
  web:
    build: {context: ./web, target: live}
    ports: ["8000:8000"]
    environment: {REDIS_URL: "redis://cache:6379"}
    depends_on: [cache]
  cache:
    image: redis:7
    command: redis-server --save ""
    deploy: {replicas: 1}
  worker:
    build: ./web
    command: python worker.py
"""


def specs(folder: Path) -> dict[str, Object]:
    (folder / "compose.yaml").write_text(FILE)
    found: dict[str, Object] = {}
    for service in read_project(folder, None, ()).services:
        wish, prepared = settled(wished(service, folder, "default"), NOTHING, service)
        place = None if service.image else {"upload": {"repository": "r", "digest": "d"}}
        found[service.name] = app(wish, prepared, None, place)["spec"]
    return found


def test_services_become_apps_after_those_that_they_depend_on(tmp_path: Path) -> None:
    made = specs(tmp_path)
    assert list(made).index("cache") < list(made).index("web")
    assert (made["web"]["port"], made["web"]["env"]) == (8000, {"REDIS_URL": "redis://cache:6379"})
    assert "internal" not in made["web"]
    assert (made["web"]["build"]["target"], "build" in made["worker"]) == ("live", False)


def test_a_service_without_ports_is_reached_by_its_name_only(tmp_path: Path) -> None:
    cache = specs(tmp_path)["cache"]
    assert (cache["image"], cache["port"], cache["internal"]) == ("redis:7", 6379, True)
    assert cache["args"] == ["redis-server", "--save", ""]


def test_a_service_that_names_no_port_anywhere_has_none(tmp_path: Path) -> None:
    assert specs(tmp_path)["worker"]["port"] == 0
    (service,) = [each for each in read_project(tmp_path, None, ()).services if each.name == "worker"]
    wish, _ = settled(wished(service, tmp_path, "default"), Prepared(tmp_path, "", "", 9000), service)
    assert wish.port is None


@pytest.mark.parametrize(("text", "said"), [("services: {}", "has no services"), ("]", "is not valid YAML")])
def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(click.ClickException, match=f"compose.yaml {said}"):
        read_project(tmp_path, None, ())


def test_a_folder_without_a_file_and_a_file_outside_of_it_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="name the file with -f"):
        read_project(tmp_path, None, ())
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "compose.yaml").write_text(FILE)
    with pytest.raises(click.ClickException):
        read_project(inner, "../compose.yaml", ())
