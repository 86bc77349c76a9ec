"""What a volume may be, and the sentence for what it may not."""

from typing import Any

import pytest

from pilothouse.platform.apps import check
from tests.platform.apps.life import app


def faults(processes: dict[str, Any] | None = None, **volumes: Any) -> str:
    return "; ".join(check.app(app(image="web:1", volumes=volumes, processes=processes or {})))


@pytest.mark.parametrize("path", ["/data", "/var/lib/postgresql/data", "/var/lib/x/", "/etc/shop", "/usr/share/nginx/html", "/run/shop"])
def test_a_folder_of_the_apps_own_is_a_place_for_a_volume(path: str) -> None:
    assert not faults(data={"path": path, "size": "2Gi"})


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data", "write the whole path inside the container, such as /data"),
        ("./var/x", "such as /var/x"),
        ("/", "would hide what every program needs"),
        ("//", "would hide"),
        ("/proc/x", "would hide"),
        ("/dev", "would hide"),
        ("/usr/local/bin/", "would hide"),
        ("/etc", "choose a folder of the app's own, such as /data"),
        ("/var/run/secrets/kubernetes.io/serviceaccount", "would hide"),
        ("/a/../etc", "without `.`, `..` and double slashes, such as /etc"),
        ("/a//b", "such as /a/b"),
        ("/a/./b", "such as /a/b"),
        ("/a:b", "without colons"),
        ("/a\nb", "without colons and control characters"),
        ("/" + "x" * 255, "at most 255 characters"),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_one_that_can(path: str, said: str) -> None:
    assert said in faults(data={"path": path})


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("2GB", "write 2Gi (or 2G, powers of 1000)"),
        ("10", "'10' of storage is 10 bytes, in which nothing fits: write 500Mi or 10Gi"),
        ("-1Gi", "is no amount of storage"),
        ("0", "must be more than nothing"),
        ("lots", "is no amount of storage: write 500Mi or 10Gi"),
    ],
)
def test_a_size_that_is_none_is_refused_with_one_that_is(size: str, said: str) -> None:
    assert said in faults(data={"path": "/data", "size": size})


def test_a_name_that_cannot_be_is_refused_with_one_that_can() -> None:
    assert "'My Data' is no name for a volume" in faults(**{"My Data": {"path": "/data"}})
    assert "such as my-data" in faults(**{"My Data": {"path": "/data"}})
    assert "no name for a volume" in faults(**{"x" * 31: {"path": "/data"}})


def test_two_volumes_at_one_place_are_refused_unless_no_process_has_both() -> None:
    assert "volumes a and b are both at /x" in faults(a={"path": "/x"}, b={"path": "/x/"})
    apart = {"a": {"path": "/x", "processes": ["web"]}, "b": {"path": "/x", "processes": ["worker"]}}
    assert not faults({"web": {}, "worker": {}}, **apart)


def test_a_volume_of_a_process_that_is_none_names_those_that_there_are() -> None:
    said = faults({"web": {}, "worker": {}}, data={"path": "/x", "processes": ["jobs"]})
    assert said == "volume data is for process jobs, which shop has not: it has web, worker"


def test_a_claim_that_is_there_has_a_size_of_its_own() -> None:
    assert not faults(data={"path": "/x", "claim": "old-data"})
    assert "leave these out" in faults(data={"path": "/x", "claim": "old-data", "size": "1Gi"})
    assert "is no name of a claim" in faults(data={"path": "/x", "claim": "Old_Data"})


def test_one_claim_is_one_volume() -> None:
    assert "volumes b and a are both claim shop-a" in faults(a={"path": "/a"}, b={"path": "/b", "claim": "shop-a"})


def test_an_app_has_so_many_volumes_and_no_more() -> None:
    assert "more than 20: use folders of one" in faults(**{f"v{n}": {"path": f"/v{n}"} for n in range(21)})
