"""Which benchmarks the command line chooses."""

import importlib
import inspect
from pathlib import Path

import pytest

import bench
from bench.rig.choice import parse


def test_no_name_chooses_all() -> None:
    assert parse([]).names == bench.NAMES


def test_names_run_once_each_in_the_fixed_order() -> None:
    assert parse(["store", "boot", "store"]).names == ("boot", "store")


def test_a_wrong_name_is_refused_with_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(["nosuch"])
    assert refused.value.code == 2
    assert "no benchmark is called nosuch; there are: boot, memory, store" in capsys.readouterr().err


def test_parts_of_a_benchmark_run_alone() -> None:
    choice = parse(["databases:idle,failover", "store"])
    assert choice.names == ("store", "databases")
    assert (choice.parts["databases"], choice.parts["store"]) == (("idle", "failover"), ())
    assert parse(["databases:idle", "databases:failover"]).parts["databases"] == ("idle", "failover")


@pytest.mark.parametrize(
    ("asked", "said"), [("databases:nosuch", "databases has no part nosuch; there are: create, failover"), ("boot:cold", "there are: none")]
)
def test_a_wrong_part_is_refused_with_the_right_ones(asked: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([asked])
    assert said in capsys.readouterr().err


def test_quick_and_folder_are_options() -> None:
    choice = parse(["--quick", "--dir", "/data", "api"])
    assert (choice.quick, choice.folder) == (True, Path("/data"))


@pytest.mark.parametrize("name", bench.NAMES)
def test_every_name_is_a_module_that_says_what_it_measures(name: str) -> None:
    module = importlib.import_module(f"bench.{name}")
    assert inspect.iscoroutinefunction(module.run)
    assert len((module.__doc__ or "").splitlines()) > 2


def test_every_module_has_a_name() -> None:
    modules = {path.stem for path in Path(bench.__file__).parent.glob("*.py")} - {"__init__", "__main__"}
    assert modules == set(bench.NAMES)
