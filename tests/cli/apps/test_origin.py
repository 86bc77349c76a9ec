from pathlib import Path

import click
import pytest

from pilothouse.cli.apps import origin
from pilothouse.model.json import Object


def came_from(text: str) -> Object:
    return {"metadata": {"name": "shop", "annotations": {origin.ORIGIN: text} if text else {}}}


def test_an_origin_names_the_folder_with_its_machine_the_repository_or_the_image(tmp_path: Path) -> None:
    assert origin.of(str(tmp_path), None).endswith(f":{tmp_path.resolve()}")
    assert origin.of("https://git.example.org/shop.git#next", None) == "git https://git.example.org/shop.git"
    assert origin.of(".", "127.0.0.1:5000/team/shop:2@sha256:abc") == "image 127.0.0.1:5000/team/shop"


def test_a_folder_whose_name_is_another_apps_is_refused_without_a_terminal() -> None:
    with pytest.raises(click.ClickException, match="give this one a name with --name, or replace shop with --yes"):
        origin.confirm(came_from("folder here:/a/shop"), "folder here:/b/shop", yes=False)


def test_a_way_out_is_one_that_the_command_has() -> None:
    with pytest.raises(click.ClickException, match="call the service by another name, or replace shop with --yes"):
        origin.confirm(came_from("folder here:/a/shop"), "compose /b:shop", yes=False, otherwise="call the service by another name")


@pytest.mark.parametrize("before", [None, came_from(""), came_from("folder here:/a/shop")])
def test_nothing_is_asked_about_a_new_app_an_old_one_and_the_same_source(before: Object | None) -> None:
    origin.confirm(before, "folder here:/a/shop", yes=False)


def test_yes_replaces() -> None:
    origin.confirm(came_from("folder here:/a/shop"), "git https://git.example.org/shop.git", yes=True)
