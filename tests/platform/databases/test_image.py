import fnmatch
import subprocess

import pytest

from pilothouse.oci.packages.programs import ImageError
from pilothouse.oci.packages.release import SIBLINGS
from pilothouse.platform.databases.mysql.image import MARIADB

NEEDED = (
    *(f"/usr/bin/mariadb{name}" for name in ("", "-admin", "-backup", "-binlog", "-check", "-dump", "-import", "-install-db", "-upgrade")),
    *(f"/usr/bin/{name}" for name in ("mbstream", "my_print_defaults", "resolveip", "mariadb-tzinfo-to-sql", "python3", "perl", "zstd")),
    "/usr/sbin/mariadbd",
    "/usr/lib/x86_64-linux-gnu/perl-base/strict.pm",
    "/usr/lib/python3/dist-packages/pymysql/__init__.py",
)


@pytest.mark.parametrize("path", NEEDED)
def test_nothing_that_members_use_is_left_out(path: str) -> None:
    assert not [pattern for pattern in MARIADB.recipe.left_out if fnmatch.fnmatch(path, pattern)]


@pytest.mark.parametrize(
    ("host", "version", "series"),
    [
        ("bookworm", "", "10.11"),
        ("trixie", "", "11.8"),
        ("noble", "", "10.11"),
        ("bookworm", "11.8", "11.8"),
        ("trixie", "10.11.18", "10.11"),
        ("noble", "10.11.13", "10.11"),
    ],
)
def test_a_version_is_one_of_the_machines_release_or_of_its_sibling(host: str, version: str, series: str) -> None:
    assert MARIADB.series_of(version, host) == series


@pytest.mark.parametrize(
    ("host", "version", "sentence"),
    [
        (
            "bookworm",
            "10.6",
            "an image of mariadb 10.6 cannot be made, since the packages of bookworm have 10.11 and trixie have 11.8: use 10.11 or 11.8",
        ),
        ("noble", "11.8", "an image of mariadb 11.8 cannot be made, since the packages of noble have 10.11: use 10.11"),
        ("jammy", "", "an image of mariadb cannot be made from the packages of jammy, but from those of bookworm, trixie, noble"),
    ],
)
def test_what_no_release_has_is_refused_with_what_there_is(host: str, version: str, sentence: str) -> None:
    with pytest.raises(ImageError) as caught:
        MARIADB.series_of(version, host)
    assert str(caught.value) == sentence


def test_every_release_that_images_are_made_on_has_a_series() -> None:
    assert set(MARIADB.series) == set(SIBLINGS)


def test_the_lines_that_finish_the_image_are_valid_for_their_shell() -> None:
    for hook in MARIADB.recipe.hooks:
        subprocess.run(["sh", "-n"], input=hook.encode(), check=True)
