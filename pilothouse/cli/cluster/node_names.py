"""What the node of this machine is called: as asked, or after the host; checked before anything is started under the name."""

from pilothouse.cli.settings.home import Settings, SettingsError
from pilothouse.model.names import dns1123_subdomain

LONGEST = 52
"""Characters: with `system:node:` before it a name is the common name of a certificate, which has 64 at most (RFC 5280)."""


def chosen(asked: str | None) -> str:
    """The name that was asked for, or the host's. Raises SettingsError when a node cannot be called so."""
    if asked is not None:
        check(asked, f"--node-name {asked!r}", "use lower case letters, digits, dashes and dots, such as rack-3")
        return asked
    name = Settings().node_name
    check(name, f"this machine's name, {name!r},", "give the node one with --node-name, such as rack-3")
    return name


def check(name: str, what: str, way_out: str) -> None:
    """what: how to call the name in the sentence. Raises SettingsError."""
    if dns1123_subdomain(name):
        raise SettingsError(f"{what} is no name of a node: {way_out}")
    if len(name) > LONGEST:
        raise SettingsError(f"{what} is too long for the name of a node: give one of at most {LONGEST} characters with --node-name")
