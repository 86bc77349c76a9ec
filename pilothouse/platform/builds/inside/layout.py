"""Files of the context laid out in a folder as one COPY is to copy them."""

import os
import shutil
from pathlib import Path

from pilothouse.platform.builds.ignore import Ignore, path_pattern
from pilothouse.platform.builds.inside import modes


class NothingFound(Exception):
    """One sentence: what the source does not have."""


class Layout:
    """folder: made when it is needed. chmod: a symbolic mode, or nothing. excludes: patterns relative to each source."""

    def __init__(self, context: Path, folder: Path, chmod: str, excludes: tuple[str, ...]) -> None:
        self.context = context
        self.folder = folder
        self.chmod = chmod
        self.excludes = Ignore("\n".join(excludes))
        self._count = 0

    def add(self, source: str, *, parents: bool) -> list[str]:
        """Lay out what one source word means; returns paths inside the folder to copy from. Raises NothingFound."""
        pivot, _, rest = source.partition("/./") if "/./" in source else ("", "", source)
        wanted = "/".join(part for part in f"{pivot}/{rest}".split("/") if part not in ("", "."))
        if ".." in wanted.split("/"):
            raise NothingFound(f"{source} leads out of the source")
        found = self._matching(wanted)
        if not found:
            raise NothingFound(f"the source has no {source} (or .dockerignore leaves it out)")
        if any(not self._lies_inside(path) for path in found):
            raise NothingFound(f"{source} leads out of the source")
        return [self._placed(path, pivot.strip("/"), parents) for path in found if not self._is_excluded_file(path)]

    def _lies_inside(self, path: Path) -> bool:
        """Also behind links: the builder's own files are no part of a source."""
        return path.resolve().is_relative_to(self.context.resolve())

    def _matching(self, wanted: str) -> list[Path]:
        if not wanted:
            return [self.context]
        if not any(char in wanted for char in "*?["):
            path = self.context / wanted
            return [path] if os.path.lexists(path) else []
        pattern = path_pattern(wanted)
        every = (Path(folder, name) for folder, names, plain in os.walk(self.context) for name in sorted([*names, *plain]))
        return sorted(path for path in every if pattern.fullmatch(path.relative_to(self.context).as_posix()))

    def _is_excluded_file(self, path: Path) -> bool:
        return not path.is_dir() and self.excludes.leaves_out(path.name)

    def _placed(self, path: Path, pivot: str, parents: bool) -> str:
        if parents:
            inside = path.relative_to(self.context / pivot)
            self._copy(path, self.folder / "parents" / inside)
            return "parents/"
        self._count += 1
        if path.is_dir():
            self._copy(path, self.folder / str(self._count))
            return f"{self._count}/"
        self._copy(path, self.folder / str(self._count) / path.name)
        return f"{self._count}/{path.name}"

    def _copy(self, path: Path, target: Path) -> None:
        """A link that is named itself is followed, one inside a folder stays a link."""
        target.parent.mkdir(parents=True, exist_ok=True)
        path = path.resolve()
        if not path.is_dir():
            self._copy_file(path, target)
            return
        for folder, names, plain in os.walk(path):
            below = Path(folder).relative_to(path)
            names[:] = sorted(name for name in names if not self.excludes.leaves_out((below / name).as_posix()))
            links = [name for name in names if Path(folder, name).is_symlink()]
            self._make_folder(Path(folder), target / below)
            for name in (*plain, *links):
                if not self.excludes.leaves_out((below / name).as_posix()):
                    self._copy_file(Path(folder, name), target / below / name)

    def _make_folder(self, path: Path, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copystat(path, target)
        self._change_mode(target)

    def _copy_file(self, path: Path, target: Path) -> None:
        shutil.copy2(path, target, follow_symlinks=False)
        if not target.is_symlink():
            self._change_mode(target)

    def _change_mode(self, path: Path) -> None:
        if self.chmod:
            path.chmod(modes.changed(path.stat().st_mode & 0o7777, self.chmod, is_folder=path.is_dir()))
