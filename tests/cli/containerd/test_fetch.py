"""Fetching a later containerd, from an archive in a folder."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.cli.containerd.fetch import FetchError, download, drop_unused, fetch, lost
from pilothouse.cli.containerd.place import kept
from pilothouse.engine.node.runtime.programs import CONTAINERD, SHIM, version_of

Archive = Callable[[str], str]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Makes an archive, not signed, with a containerd that says a version; returns its line for apt."""
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()

    def make(version: str) -> str:
        tree, root = tmp_path / "tree", tmp_path / "archive"
        index = root / f"dists/trixie/main/binary-{architecture}"
        for path in (tree / "DEBIAN", tree / "usr/bin", tree / "usr/share/doc/containerd", index):
            path.mkdir(parents=True)
        control = f"Package: containerd\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: T <t@example.test>\nDescription: t\n"
        (tree / "DEBIAN/control").write_text(control)
        (tree / "usr/share/doc/containerd/copyright").write_text("Apache-2.0\n")
        for name in (CONTAINERD, SHIM):
            (tree / "usr/bin" / name).write_text(f"#!/bin/sh\necho containerd x {version}\n")
            (tree / "usr/bin" / name).chmod(0o755)
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, root / "c.deb"], check=True, capture_output=True)
        data = (root / "c.deb").read_bytes()
        entry = f"{control}Filename: c.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        (index / "Packages").write_text(entry)
        packages = entry.encode()
        release = f"Codename: trixie\nSuite: trixie\nArchitectures: {architecture}\nComponents: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        sums = f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} main/binary-{architecture}/Packages\n"
        (root / "dists/trixie/Release").write_text(release + sums)
        return f"deb [trusted=yes] file:{root} trixie main"

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept" / "new-1").mkdir(parents=True)
    return tmp_path / "kept"


async def test_the_programs_are_unpacked_in_a_folder_of_their_version(archive: Archive, folder: Path) -> None:
    fetched = await download([archive("1.7.24~ds1-6")], folder, folder / "new-1")
    assert (fetched.folder, fetched.version) == (folder / "1.7.24~ds1-6", (1, 7, 24))
    assert sorted(path.name for path in (folder / "1.7.24~ds1-6").iterdir()) == [CONTAINERD, SHIM, "copyright"]


async def test_what_is_there_already_stays_if_it_runs(archive: Archive, folder: Path) -> None:
    there = folder / "1.7.24~ds1-6" / CONTAINERD
    there.parent.mkdir()
    there.write_text("#!/bin/sh\necho containerd there 1.7.24\n")
    there.chmod(0o755)
    await download([archive("1.7.24~ds1-6")], folder, folder / "new-1")
    assert "there" in there.read_text()


async def test_what_an_interruption_has_left_is_replaced(archive: Archive, folder: Path) -> None:
    (folder / "1.7.24~ds1-6").mkdir()
    (folder / "1.7.24~ds1-6" / CONTAINERD).touch()
    fetched = await download([archive("1.7.24~ds1-6")], folder, folder / "new-1")
    assert await version_of(fetched.containerd) == (1, 7, 24)


async def test_an_archive_that_is_not_signed_is_refused(archive: Archive, folder: Path) -> None:
    with pytest.raises(FetchError, match="signature cannot be checked"):
        await download([archive("1.7.24~ds1-6").replace(" [trusted=yes]", "")], folder, folder / "new-1")
    assert not list(folder.glob("1.7*"))


async def test_one_that_loses_output_too_is_of_no_use(archive: Archive, folder: Path) -> None:
    with pytest.raises(FetchError, match=r"its containerd is 1\.7\.2"):
        await download([archive("1.7.2~ds1-1")], folder, folder / "new-1")


async def test_a_mirror_without_the_release_is_named_as_the_cause(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"the package mirror does not have"):
        await download([f"deb file:{tmp_path}/nothing trixie main"], folder, folder / "new-1")


def test_for_another_machine_there_is_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"there is none for jammy; install containerd 1\.7\.3 or later"):
        fetch("jammy", tmp_path)
    assert lost((1, 6, 20), "no network").startswith("containerd 1.6.20 of this machine loses the end of a container's output")


def test_versions_that_run_stay_and_others_go(folder: Path) -> None:
    for version in ("1.7.1", "1.7.2", "1.7.3"):
        (folder / version).mkdir()
        for name in (CONTAINERD, SHIM):
            (folder / version / name).symlink_to("/bin/sleep")
    with subprocess.Popen([folder / "1.7.2" / SHIM, "60"]) as process:
        try:
            drop_unused(folder, folder / "1.7.3")
        finally:
            process.kill()
    assert sorted(path.name for path in folder.glob("1.*")) == ["1.7.2", "1.7.3"]


def test_the_place_is_absolute_as_apt_takes_others_for_places_of_the_host() -> None:
    assert kept(".venv") == Path.cwd() / ".venv/lib/pilothouse/containerd"
