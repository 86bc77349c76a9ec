"""`prepare` ends the container that fetches the source, `build` is the one that builds it."""

import os
import sys

from pilothouse.platform.builds.inside.make import build
from pilothouse.platform.builds.inside.prepare import prepare

sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
sys.exit({"prepare": prepare, "build": build}[sys.argv[1]](os.environ, sys.argv[2:]))
