"""After the source is there: leave out what .dockerignore leaves out, and say which base images the Dockerfile needs."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pilothouse.platform.builds.dockerfile import base_images, up_to_stage
from pilothouse.platform.builds.ignore import kept, rules_of
from pilothouse.platform.builds.inside.output import say
from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.outcome import Prepared, write_prepared

MTIME = 1_000_000_000
"""One time for every file of a checkout, so that the layer cache depends on contents alone."""


def prepare(environ: Mapping[str, str], arguments: list[str]) -> int:
    """arguments: none. Returns the exit status; the reason of a failure is the termination message."""
    settings = Settings.of(environ)
    try:
        if environ.get("GIT_URL"):
            shutil.rmtree(settings.source / ".git", ignore_errors=True)
        leave_out(settings.context, settings.dockerfile)
        if environ.get("GIT_URL"):
            even_times(settings.context)
        text = up_to_stage(settings.written.read_text(encoding="utf-8", errors="surrogateescape"), settings.target)
        settings.written.write_text(text, encoding="utf-8", errors="surrogateescape")
        message = write_prepared(Prepared(tuple(base_images(text, settings.args))))
    except (OSError, ValueError) as error:
        say(error)
        settings.termination.write_text(f"the source cannot be prepared: {error}")
        return 1
    settings.termination.write_text(message)
    return 0


def leave_out(context: Path, dockerfile: str) -> None:
    """Remove what the rules exclude, so that every builder sees one and the same context."""
    rules = rules_of(context, dockerfile)
    if rules is None:
        return
    paths = [path for path, is_kept in kept(context, rules) if not is_kept]
    for path in reversed(paths):
        _remove(context / path, keeps_full_folders=rules.has_exceptions)


def _remove(path: Path, *, keeps_full_folders: bool) -> None:
    """Deepest first: a folder that still holds something was brought back in part."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    elif not keeps_full_folders:
        shutil.rmtree(path)
    elif not any(path.iterdir()):
        path.rmdir()


def even_times(tree: Path) -> None:
    for folder, names, plain in os.walk(tree):
        for name in (*names, *plain):
            os.utime(os.path.join(folder, name), (MTIME, MTIME), follow_symlinks=False)
