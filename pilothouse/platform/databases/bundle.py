"""The programs of an instance's pods as one zip archive that a Python runs by itself."""

import functools

from pilothouse.oci import zipapp


@functools.cache
def bundle() -> bytes:
    """The same bytes for the same code."""
    return zipapp.bundle("pilothouse.platform.databases", "inside", folders=["inside"])
