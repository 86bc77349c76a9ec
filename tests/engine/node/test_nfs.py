"""NFS volumes: how the program is called that mounts them, and what is said where it is not there or fails."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.node.volumes import nfs
from pilothouse.engine.node.volumes.projection import VolumeMissing

SOURCE = {"server": "files.example.com", "path": "/srv/data"}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come before the machine's own; `mount` notes its words."""
    folder = tmp_path / "bin"
    folder.mkdir()
    write(folder / "mount.nfs", "exit 1")
    write(folder / "mount", f'printf "%s\\n" "$@" > {tmp_path}/words')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def words(tmp_path: Path, *args: object, **kwargs: object) -> list[str]:
    await nfs.mount(*args, **kwargs)  # type: ignore[arg-type]
    return (tmp_path / "words").read_text().splitlines()


async def test_what_is_mounted_where_and_how(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    assert await words(tmp_path, SOURCE, folder) == ["-t", "nfs", "--", "files.example.com:/srv/data", str(folder)]
    assert folder.is_dir()
    found = await words(tmp_path, SOURCE, folder, ["nfsvers=4.2", "hard"], read_only=True)
    assert found[2:4] == ["-o", "nfsvers=4.2,hard,ro"]
    assert (await words(tmp_path, SOURCE | {"readOnly": True}, folder))[2:4] == ["-o", "ro"]
    assert (await words(tmp_path, SOURCE | {"server": "fd00::1"}, folder))[-2] == "[fd00::1]:/srv/data"


async def test_no_server_is_taken_for_an_option(programs: Path, tmp_path: Path) -> None:
    found = await words(tmp_path, {"server": "-obind", "path": "/etc"}, tmp_path / "volume")
    assert found.index("--") < found.index("-obind:/etc")


async def test_a_failure_says_what_the_program_says_and_what_the_kernel_lacks(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(programs / "mount", "echo 'mount.nfs: access denied by server' >&2; exit 32")
    kinds = tmp_path / "filesystems"
    monkeypatch.setattr(nfs, "_FILE_SYSTEMS", kinds)
    kinds.write_text("nodev\tproc\n\text4\n")
    with pytest.raises(
        VolumeMissing, match=r"cannot be mounted: mount\.nfs: access denied by server; the kernel of this node knows no NFS"
    ):
        await nfs.mount(SOURCE, tmp_path / "volume")
    kinds.write_text("nodev\tnfs4\n")
    with pytest.raises(VolumeMissing, match=r"access denied by server$"):
        await nfs.mount(SOURCE, tmp_path / "volume")


async def test_a_server_that_does_not_answer_is_waited_for_so_long_and_no_longer(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(programs / "mount", "sleep 60")
    monkeypatch.setattr(nfs, "MOUNT_S", 0.2)
    with pytest.raises(VolumeMissing, match=r"was not mounted within 0\.2 s"):
        await nfs.mount(SOURCE, tmp_path / "volume")


async def test_a_node_without_the_program_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfs.programs, "missing", lambda names: list(names))
    with pytest.raises(VolumeMissing, match=r"this node cannot mount NFS volumes: mount\.nfs cannot be found; install nfs-common"):
        await nfs.mount(SOURCE, tmp_path / "volume")
