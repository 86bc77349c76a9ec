"""Where the program Envoy is."""

import os
import shutil
import sys
from pathlib import Path


class GatewayError(Exception):
    """Envoy does not run: one sentence with the reason."""


def envoy_program() -> str:
    """The path of Envoy: that of our own environment first. Raises GatewayError when there is none."""
    found = shutil.which("envoy", path=os.pathsep.join((str(Path(sys.executable).parent), *os.get_exec_path())))
    if found is None:
        raise GatewayError("the program envoy is missing: run scripts/setup")
    return found
