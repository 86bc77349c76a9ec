"""Files of ConfigMaps, Secrets and tokens: whole sets, and nothing that a container does inside leads out."""

from pathlib import Path

import pytest

from pilothouse.engine.node.files.payload import File, is_written, write_payload


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "kind" / "volume"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the host that is none of a container's business."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "precious").write_text("data")
    return folder


def test_files_are_reached_through_the_data_link(volume: Path) -> None:
    assert write_payload(volume, {"a": File(b"1"), "d/b": File(b"2", 0o400)})
    assert (volume / "a").read_bytes() == b"1"
    assert (volume / "d" / "b").stat().st_mode & 0o777 == 0o400
    assert (volume / "a").readlink() == Path("..data/a")


def test_a_change_replaces_all_files_at_once(volume: Path) -> None:
    write_payload(volume, {"a": File(b"1"), "gone": File(b"x")})
    before = (volume / "..data").readlink()
    assert write_payload(volume, {"a": File(b"2")})
    assert (volume / "..data").readlink() != before
    assert (volume / "a").read_bytes() == b"2"
    assert not (volume / "gone").is_symlink()
    assert not (volume / before).exists()


def test_what_is_the_same_is_not_written_again(volume: Path) -> None:
    write_payload(volume, {"a": File(b"1")})
    before = (volume / "..data").readlink()
    assert not write_payload(volume, {"a": File(b"1")})
    assert (volume / "..data").readlink() == before


def test_a_mode_or_an_owner_that_changes_is_a_change(volume: Path) -> None:
    write_payload(volume, {"a": File(b"1")})
    assert write_payload(volume, {"a": File(b"1", 0o400)})
    assert (volume / "a").stat().st_mode & 0o777 == 0o400


def test_the_group_may_read_and_nobody_else_learns_more(volume: Path) -> None:
    write_payload(volume, {"d/a": File(b"1", 0o600)}, group=4321)
    found = (volume / "d" / "a").stat()
    assert (found.st_gid, found.st_mode & 0o777) == (4321, 0o640)
    assert (volume / "d").stat().st_gid == 4321


@pytest.mark.parametrize("link", ["..data", "a", "..data_tmp"])
def test_links_that_a_container_plants_are_replaced_and_never_followed(volume: Path, victim: Path, link: str) -> None:
    write_payload(volume, {"a": File(b"1")})
    (volume / link).unlink(missing_ok=True)
    (volume / link).symlink_to(victim)
    write_payload(volume, {"a": File(b"2")})
    assert (victim / "precious").read_text() == "data"
    assert [each.name for each in victim.iterdir()] == ["precious"]
    assert (volume / "a").read_bytes() == b"2"


def test_a_set_that_is_a_link_is_not_the_current_one_and_not_removed_through(volume: Path, victim: Path) -> None:
    write_payload(volume, {"a": File(b"1")})
    current = volume / (volume / "..data").readlink()
    current.rename(volume / "moved")
    current.symlink_to(victim)
    assert write_payload(volume, {"a": File(b"1")})
    assert (victim / "precious").exists()
    assert (volume / "a").read_bytes() == b"1"


def test_what_others_have_put_there_stays(volume: Path) -> None:
    write_payload(volume, {"a": File(b"1")})
    (volume / "mine").mkdir()
    (volume / "..mine").write_text("x")
    write_payload(volume, {"a": File(b"2")})
    assert {each.name for each in volume.iterdir()} >= {"mine", "..mine"}


def test_what_an_interrupted_change_left_goes_with_the_next(volume: Path) -> None:
    write_payload(volume, {"a": File(b"1")})
    left = volume / "..2026_01_01_00_00_00.000000001"
    left.mkdir()
    (left / "secret").write_text("old")
    write_payload(volume, {"a": File(b"2")})
    assert not left.exists()


def test_a_path_that_was_mounted_before_it_existed_becomes_a_file(volume: Path) -> None:
    write_payload(volume, {})
    (volume / "late").mkdir()
    write_payload(volume, {"late": File(b"1")})
    assert (volume / "late").read_bytes() == b"1"


def test_what_the_current_set_is_stands_outside_of_the_volume(volume: Path) -> None:
    assert not is_written(volume)
    write_payload(volume, {"a": File(b"1")})
    assert is_written(volume)
    assert {each.name for each in volume.iterdir() if not each.name.startswith("..2")} == {"..data", "a"}
