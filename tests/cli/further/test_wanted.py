"""How many nodes `ph up --nodes N` makes, and what it says when it cannot."""

from pathlib import Path

import click
import pytest

from pilothouse.cli.further import wanted
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home, Settings

SETTINGS = Settings(node_name="n", pod_cidr="10.244.0.0/16")


def instance(path: Path, *numbers: int) -> Session:
    for number in numbers:
        (path / "nodes" / str(number)).mkdir(parents=True)
    return Session(Home(path), None, False)


def numbers(path: Path, count: int) -> list[str]:
    return [home.path.name for home in wanted.homes(Home(path), count)]


def test_new_nodes_take_the_lowest_free_numbers_and_those_there_are_count(tmp_path: Path) -> None:
    assert numbers(tmp_path, 1) == []
    assert numbers(tmp_path, 3) == ["2", "3"]
    instance(tmp_path, 3, 5)
    assert numbers(tmp_path, 3) == ["3", "5"]
    assert numbers(tmp_path, 5) == ["2", "3", "4", "5"]


def test_fewer_nodes_than_there_are_is_refused_with_the_commands_that_remove_one(tmp_path: Path) -> None:
    session = instance(tmp_path, 2, 3)
    wanted.check(session, SETTINGS, 3)
    with pytest.raises(click.ClickException) as refused:
        wanted.check(session, SETTINGS, 2)
    assert refused.value.message.startswith("there are 3 nodes on this machine, and --nodes 2 takes none away: ")
    assert f"--home {tmp_path} kubectl drain n-3 --ignore-daemonsets`" in refused.value.message
    assert f"--home {tmp_path}/nodes/3 destroy`" in refused.value.message
    assert f"--home {tmp_path} kubectl delete node n-3` remove n-3" in refused.value.message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SETTINGS.changed(server="https://192.0.2.1:6443"), "is a node of the cluster at https://192.0.2.1:6443: --nodes is for"),
        (SETTINGS.changed(node_name="n" * 51), "which is longer than 52 characters"),
        (SETTINGS.changed(pod_cidr="10.244.0.0/20"), "the pod network 10.244.0.0/20 has addresses for 4 nodes"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path, settings: Settings, said: str) -> None:
    session = instance(tmp_path)
    with pytest.raises(click.ClickException, match=said):
        wanted.check(session, settings, 5)
