"""What the platform finds out of an image that a user names."""

import pytest

from pilothouse.cli.daemon.databases import image_source, version_of
from pilothouse.oci.inspect import Inspected
from pilothouse.oci.packages.programs import PACKAGE_LABEL, VERSION_LABEL, ImageError
from pilothouse.platform.databases.mysql.images import Asked

PINNED = f"127.0.0.1:1/mysql@sha256:{'a' * 64}"


def inspected(env: dict[str, str], labels: dict[str, str] | None = None) -> Inspected:
    return Inspected(PINNED, env, labels or {})


def test_public_images_say_their_version_in_a_variable_and_ours_in_a_label() -> None:
    assert version_of(inspected({"MYSQL_VERSION": "8.4.7-1.el9"}), "mysql") == "8.4.7"
    assert version_of(inspected({"MARIADB_VERSION": "1:11.8.3+maria~ubu2404"}), "mariadb") == "11.8.3"
    assert version_of(inspected({}, {VERSION_LABEL: "8.0.46", PACKAGE_LABEL: "mysql-server-core-8.0 8.0.46-0"}), "mysql") == "8.0.46"


def test_a_label_of_the_distribution_below_is_no_version_of_the_server() -> None:
    assert version_of(inspected({}, {VERSION_LABEL: "24.04"}), "mysql") == ""


def test_an_image_of_another_flavour_is_refused() -> None:
    with pytest.raises(ImageError, match=r"is of flavour mysql: name one of flavour mariadb$"):
        version_of(inspected({"MYSQL_VERSION": "8.4.7-1.el9"}), "mariadb")


async def test_a_tag_that_cannot_be_looked_at_is_refused_and_a_digest_is_left_to_the_nodes() -> None:
    ensure = image_source(None, "")
    with pytest.raises(ImageError, match=r"^the image 127\.0\.0\.1:1/mysql:8\.4 cannot be looked at: .*; name it by its digest"):
        await ensure(Asked("mysql", image="127.0.0.1:1/mysql:8.4"))
    found = await ensure(Asked("mysql", image=PINNED))
    assert (found.reference, found.version) == (PINNED, "")


async def test_a_cluster_that_is_not_ours_needs_an_image_to_be_named() -> None:
    with pytest.raises(ImageError, match=r"on the embedded engine alone: name one of a registry with spec\.image$"):
        await image_source(None, "")(Asked("mysql"))
