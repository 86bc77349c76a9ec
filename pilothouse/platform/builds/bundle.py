"""The program of a build's containers as one zip archive that a Python runs by itself."""

import functools

from pilothouse.oci import zipapp

PACKAGE = "pilothouse.platform.builds"
MODULES = (
    "dockerfile.py",
    "failure.py",
    "ignore.py",
    "outcome.py",
    "progress.py",
    "stand_ins/__init__.py",
    "stand_ins/reference.py",
    "variables.py",
)
FOLDERS = ("detect", "git", "inside")


@functools.cache
def bundle() -> bytes:
    """The same bytes for the same code."""
    return zipapp.bundle(PACKAGE, "inside", folders=FOLDERS, modules=MODULES)
