"""Images of a program in a real registry; what takes mmdebstrap's place packs a list of packages, as today's archive has them."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.oci.packages.installed import versions
from pilothouse.oci.packages.programs import PACKAGE_LABEL, VERSION_LABEL, ImageError, Program, ProgramImages
from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import suite
from pilothouse.oci.registry import Registry
from tests.platform.registry.live import running

STATUS = """Package: libx
Status: install ok installed
Version: 2:3-1
Description: a library
 with a second line

Package: db-server
Architecture: amd64
Version: 1:10.11.18-0+deb12u1
"""
PROGRAM = Program("db", "db-server", {suite(): "10.11"}, Recipe(("db-server",), config={"User": "999"}))


class Archive:
    """What packages can be had. made: how often something was made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "bin/mmdebstrap"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\necho made >>{folder}/makings\nfor word; do case "$word" in *rootfs.tar) tar=$word ;; esac; done\n'
            f'tar -C {folder}/root --sort=name --mtime=@0 -cf "$tar" ./var\n'
        )
        program.chmod(0o755)
        self.state("1:10.11.18-0+deb12u1")

    def state(self, version: str, library: str = "2:3-1") -> None:
        path = self.folder / "root/var/lib/dpkg/status"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub("1:10.11.18-0.deb12u1", version, STATUS).replace("2:3-1", library))

    @property
    def made(self) -> int:
        path = self.folder / "makings"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    if os.geteuid() != 0:
        pytest.skip("needs root: images are made with mounts of their own")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return Archive(tmp_path)


@pytest.fixture
async def images(archive: Archive) -> AsyncIterator[ProgramImages]:
    async with running(archive.folder) as server:
        yield ProgramImages(PROGRAM, server.config.address, archive.folder / "scratch")
    assert not list((archive.folder / "scratch").glob("*"))


def test_packages_are_read_from_dpkgs_list() -> None:
    assert versions(STATUS) == {"libx": "2:3-1", "db-server": "1:10.11.18-0+deb12u1"}


async def test_an_image_has_the_full_version_as_its_tag_and_as_a_label(images: ProgramImages) -> None:
    made = await images.ensure("10.11")
    assert made.reference == f"{images.registry}/bases/versions/db:10.11.18"
    assert made.version == "10.11.18"
    async with Registry(images.registry) as registry:
        _, manifest = await registry.manifest("bases/versions/db", "10.11.18")
        config = (await registry.blob("bases/versions/db", manifest["config"]["digest"])).decode()
    assert f'"{VERSION_LABEL}": "10.11.18", "{PACKAGE_LABEL}": "db-server 1:10.11.18-0+deb12u1"' in config


async def test_an_image_is_made_once_whoever_asks_for_it_at_the_same_time(images: ProgramImages, archive: Archive) -> None:
    told: list[str] = []
    asked = ("", "10.11", "10.11.18", "10.11")
    found = await asyncio.gather(*(images.ensure(version, told.append) for version in asked))
    assert {image.version for image in found} == {"10.11.18"}
    assert archive.made == 1
    assert told == [f"making an image of db 10.11 from the packages of {suite()}: about a minute, once"]


async def test_what_was_made_is_what_a_series_means_until_a_newer_one_is_named(images: ProgramImages, archive: Archive) -> None:
    await images.ensure("10.11")
    archive.state("1:10.11.19-0+deb12u1")
    images._looked.clear()  # as after an hour
    assert (await images.ensure("10.11")).version == "10.11.18"
    assert (await images.ensure("10.11.19")).version == "10.11.19"
    assert (await images.ensure("10.11")).version == "10.11.19"
    assert (await images.ensure("10.11.18")).reference.endswith(":10.11.18")
    assert archive.made == 2


async def test_versions_that_the_archive_has_not_are_refused_without_making_again_and_again(
    images: ProgramImages, archive: Archive
) -> None:
    await images.ensure("10.11")
    images._looked.clear()
    for _ in range(3):
        with pytest.raises(ImageError, match=rf"^an image of db 10\.11\.20 cannot .* of {suite()} have 10\.11\.18: use 10\.11\.18$"):
            await images.ensure("10.11.20")
    with pytest.raises(ImageError, match=r"^an image of db 10\.11\.3 cannot be made"):
        await images.ensure("10.11.3")
    assert archive.made == 2


async def test_a_renewal_that_finds_the_same_is_the_same_image(images: ProgramImages, archive: Archive) -> None:
    await images.ensure("10.11")
    assert (await images.renew("10.11")).reference.endswith(":10.11.18")
    archive.state("1:10.11.18-0+deb12u1", library="2:4-1")
    assert (await images.renew("10.11")).reference.endswith(":10.11.18-2")
    assert (await images.ensure("10.11")).reference.endswith(":10.11.18-2")
    async with Registry(images.registry) as registry:
        assert sorted(await registry.tags("bases/versions/db")) == ["10.11.18", "10.11.18-2"]


async def test_a_version_of_no_series_is_refused_with_those_that_there_are(images: ProgramImages, archive: Archive) -> None:
    with pytest.raises(
        ImageError, match=rf"^an image of db 10\.6 cannot be made, since the packages of {suite()} have 10\.11: use 10\.11$"
    ):
        await images.ensure("10.6")
    assert archive.made == 0


async def test_packages_of_another_series_make_no_image(images: ProgramImages, archive: Archive) -> None:
    archive.state("1:11.4.2+vendor")
    with pytest.raises(ImageError, match=r"have db-server 1:11\.4\.2\+vendor: look at them"):
        await images.ensure("10.11")
    async with Registry(images.registry) as registry:
        assert await registry.tags("bases/versions/db") == []


async def test_what_cannot_be_made_is_said_in_one_sentence(images: ProgramImages, archive: Archive) -> None:
    (archive.folder / "bin/mmdebstrap").write_text("#!/bin/sh\necho 'write: No space left on device' >&2\nexit 1\n")
    with pytest.raises(ImageError, match=r"^an image of db 10\.11 cannot be made: .*the disk is full: free some space"):
        await images.ensure()


async def test_a_failed_making_can_be_tried_again(images: ProgramImages, archive: Archive) -> None:
    good = (archive.folder / "bin/mmdebstrap").read_text()
    (archive.folder / "bin/mmdebstrap").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ImageError):
        await images.ensure()
    (archive.folder / "bin/mmdebstrap").write_text(good)
    assert (await images.ensure()).version == "10.11.18"


def by_another_recipe(images: ProgramImages) -> ProgramImages:
    program = replace(PROGRAM, recipe=replace(PROGRAM.recipe, left_out=("/usr/share/games/*",)))
    return ProgramImages(program, images.registry, images.scratch)


async def test_a_version_is_made_anew_once_when_its_recipe_has_changed_and_the_image_before_stays(
    images: ProgramImages, archive: Archive
) -> None:
    before = await images.ensure("10.11")
    changed = by_another_recipe(images)
    for version in ("10.11", "10.11.18", ""):
        assert (await changed.ensure(version)).reference == f"{before.reference}-2"
    assert archive.made == 2
    async with Registry(images.registry) as registry:
        assert sorted(await registry.tags("bases/versions/db")) == ["10.11.18", "10.11.18-2"]


async def test_a_version_that_cannot_be_made_anew_is_the_image_that_is_there(images: ProgramImages, archive: Archive) -> None:
    before, changed = await images.ensure("10.11"), by_another_recipe(images)
    archive.state("1:10.11.19-0+deb12u1")
    for _ in range(2):
        assert await changed.ensure("10.11.18") == before
    assert (await changed.ensure("10.11")).version == "10.11.19"
    assert archive.made == 2


async def test_an_archive_that_is_away_takes_no_image_that_is_there(images: ProgramImages, archive: Archive) -> None:
    before, changed = await images.ensure("10.11"), by_another_recipe(images)
    (archive.folder / "bin/mmdebstrap").write_text("#!/bin/sh\nexit 1\n")
    for _ in range(2):
        assert await changed.ensure("10.11") == before
