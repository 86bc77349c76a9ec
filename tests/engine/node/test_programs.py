"""Which containerd is run."""

from pathlib import Path

import pytest

from pilothouse.engine.node.runtime.programs import CONTAINERD, SHIM, UNKNOWN, choose, keeps_output, parse_version, version_of


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n", (1, 6, 20)),
        ("containerd github.com/containerd/containerd v1.7.12 71909c1814c544ac47ab91d2e8b84718e517bb99", (1, 7, 12)),
        ("containerd github.com/containerd/containerd/v2 v2.1.0-rc.1 061792f0", (2, 1, 0)),
        ("1.7.24~ds1-6+deb13u1", (1, 7, 24)),
        ("something else", UNKNOWN),
    ],
)
def test_a_version_is_read_from_what_builds_of_containerd_say(said: str, version: tuple[int, int, int]) -> None:
    assert parse_version(said) == version


def test_output_is_kept_since_1_6_22_and_since_1_7_3() -> None:
    kept = [(1, 6, 22), (1, 6, 38), (1, 7, 3), (1, 7, 24), (2, 0, 0)]
    lost = [UNKNOWN, (1, 5, 99), (1, 6, 20), (1, 6, 21), (1, 7, 0), (1, 7, 2)]
    assert [keeps_output(each) for each in (*kept, *lost)] == [True] * len(kept) + [False] * len(lost)


def program(folder: Path, version: str) -> None:
    """Something that says the version as containerd does, with a shim beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CONTAINERD, SHIM):
        (folder / name).write_text(f"#!/bin/sh\necho containerd github.com/containerd/containerd {version} abc\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the machine's own programs lie."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "bin"


async def test_the_machine_s_own_is_run_where_it_keeps_output(machine: Path, tmp_path: Path) -> None:
    program(machine, "v1.7.12")
    program(tmp_path / "kept" / "1.7.24~ds1-6", "1.7.24")
    chosen = await choose(tmp_path / "kept")
    assert (chosen.folder, chosen.version, chosen.containerd, chosen.environment()) == (None, (1, 7, 12), "containerd", None)


async def test_else_the_latest_kept_one_with_its_own_shim(machine: Path, tmp_path: Path) -> None:
    program(machine, "1.6.20~ds1")
    for version in ("1.7.9", "1.7.24~ds1-6", "1.7.2"):
        program(tmp_path / "kept" / version, version)
    chosen = await choose(tmp_path / "kept")
    folder = tmp_path / "kept" / "1.7.24~ds1-6"
    assert chosen.containerd == str(folder / "containerd")
    assert (chosen.environment() or {})["PATH"].startswith(f"{folder}:{machine}:")


async def test_a_kept_one_that_is_not_complete_or_loses_output_too_is_not_run(machine: Path, tmp_path: Path) -> None:
    program(machine, "1.6.20~ds1")
    program(tmp_path / "kept" / "1.7.2", "1.7.2")
    program(tmp_path / "kept" / "1.7.24", "1.7.24")
    (tmp_path / "kept" / "1.7.24" / SHIM).unlink()
    program(tmp_path / "kept" / "new-abc", "1.7.24")
    chosen = await choose(tmp_path / "kept")
    assert (chosen.folder, chosen.version, chosen.keeps_output) == (None, (1, 6, 20), False)


async def test_of_the_kept_ones_the_latest_that_runs_here_is_run(machine: Path, tmp_path: Path) -> None:
    program(machine, "1.6.20~ds1")
    for version in ("1.7.9", "1.7.24"):
        program(tmp_path / "kept" / version, version)
    (tmp_path / "kept" / "1.7.24" / CONTAINERD).write_bytes(b"")
    assert (await choose(tmp_path / "kept")).version == (1, 7, 9)


async def test_where_nothing_is_kept_the_machine_s_own_is_run_all_the_same(machine: Path, tmp_path: Path) -> None:
    program(machine, "1.6.20~ds1")
    assert (await choose(tmp_path / "none")).containerd == "containerd"
    assert (await choose(None)).containerd == "containerd"


async def test_a_program_that_does_not_run_here_has_no_version(machine: Path, tmp_path: Path) -> None:
    program(machine, "1.7.24; exit 1 #")
    assert await version_of(machine / CONTAINERD) == UNKNOWN
    assert await version_of(machine / "missing") == UNKNOWN
