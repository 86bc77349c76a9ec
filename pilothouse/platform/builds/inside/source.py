"""What source.sh leaves to Python: cloning a repository, and making a Dockerfile for a source that has none.

Both leave the reason of a failure as the termination message.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pilothouse.platform.builds.detect import CannotDetect, Offer, Tree, detect
from pilothouse.platform.builds.git.clone import GitFailed
from pilothouse.platform.builds.git.clone import clone as cloned
from pilothouse.platform.builds.git.credentials import Credentials, environment
from pilothouse.platform.builds.git.location import Location, without_credentials
from pilothouse.platform.builds.inside.output import say
from pilothouse.platform.builds.inside.settings import Settings


def clone(environ: Mapping[str, str], arguments: list[str]) -> int:
    """Into the folder of the source. arguments: none. Returns the exit status."""
    settings = Settings.of(environ)
    # An App of plain YAML, or one of release 0.1, may hold them in the URL, which is printed.
    location = without_credentials(Location(environ["GIT_URL"], environ.get("GIT_REVISION", "")))
    own = Credentials(location.username, location.password) if location.password else None
    certificates = settings.environment / "ca.crt"
    ca = str(certificates) if certificates.is_file() and certificates.stat().st_size else ""
    say(f"cloning {location.url}{f' at {location.revision}' if location.revision else ''}")
    try:
        given = credentials(Path(environ.get("GIT_SECRET", "/etc/pilothouse-git"))) or own
        with environment(location, given, ca) as variables:
            found = cloned(location, settings.source, variables)
    except GitFailed as error:
        return _failed(settings, str(error))
    say(f"the source is commit {found.commit}")
    for note in found.notes:
        say(note)
    return 0


def credentials(folder: Path) -> Credentials | None:
    """Those of the mounted Secret; None when there is none."""
    if not folder.is_dir():
        return None
    names = ("username", "password", "ssh-privatekey", "known_hosts")
    values = [(folder / name).read_text().strip("\n") if (folder / name).is_file() else "" for name in names]
    return Credentials(values[0], values[1], values[2], values[3] + "\n" if values[3] else "")


def detected(environ: Mapping[str, str], arguments: list[str]) -> int:
    """Write the Dockerfile for the source. arguments: none. Returns the exit status."""
    settings = Settings.of(environ)
    offer = json.loads(environ.get("OFFER") or "{}")
    versions = {image: tuple(found) for image, found in (offer.get("versions") or {}).items()}
    try:
        found = detect(Tree.at(settings.context, "the source"), Offer(versions, exact=bool(offer.get("exact"))))
    except CannotDetect as error:
        return _failed(settings, str(error))
    for line in (*found.why, *found.warnings):
        say(line)
    left = [name for name in found.processes if name != "web"]
    if left:
        say(f"not run from here, since the App does not name them in spec.processes: {', '.join(left)}")
    settings.written.write_text(found.dockerfile)
    settings.generated.touch()
    return 0


def _failed(settings: Settings, reason: str) -> int:
    say(reason)
    settings.termination.write_text(reason)
    return 1
