import pytest

from pilothouse.cli.apps.volumes.hints import known, uncovered


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("redis:7", "/data"),
        ("docker.io/library/mariadb", "/var/lib/mysql"),
        ("localhost:5000/postgres:15-alpine", "/var/lib/postgresql/data"),
        ("postgres:18", "/var/lib/postgresql"),
        ("postgres@sha256:" + "a" * 64, "/var/lib/postgresql"),
    ],
)
def test_official_images_keep_their_files_where_they_do(image: str, path: str) -> None:
    assert known(image) == [path]


def test_of_other_images_nothing_is_known() -> None:
    assert known("quay.io/someone/web:1") == []


def test_a_folder_is_kept_by_a_volume_at_it_above_it_or_inside_it() -> None:
    app = {"metadata": {"name": "db"}, "spec": {"volumes": {"data": {"path": "/var/lib/postgresql/"}, "b": {"path": "/x/inside"}}}}
    assert uncovered(app, ["/var/lib/postgresql/data", "/var/lib/postgresql", "/x", "/var/lib/postgresql2", "/y/"]) == [
        "/var/lib/postgresql2",
        "/y",
    ]
