"""`ph trust`: lets this machine's programs believe the certificates that the gateway issues for apps."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, pass_session
from pilothouse.cli.settings.home import Home

SYSTEM_FOLDER = Path("/usr/local/share/ca-certificates")


class TrustError(click.ClickException):
    """One sentence about a store that cannot be changed."""


@dataclass(frozen=True, slots=True)
class TrustStores:
    """The machine's store, and the browsers' databases of a user. name: of the certificate in each of them."""

    name: str
    folder: Path = SYSTEM_FOLDER
    update: tuple[str, ...] = ("update-ca-certificates",)
    user_home: Path = field(default_factory=lambda: _invoking_user_home())

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.name}.crt"

    def install(self, certificate: Path) -> list[str]:
        """What has come to trust the certificate. Raises TrustError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(certificate, self._file)
        self._refresh()
        return ["this machine's programs (curl, Python, Java by the system's store)", *self._in_browsers(certificate)]

    def is_outdated(self, certificate: Path) -> bool:
        """Whether the store has another certificate under this name: the authority has been given a further domain since."""
        try:
            return self._file.read_bytes() != certificate.read_bytes()
        except OSError:
            return False

    def remove(self) -> bool:
        """False when it was not there. Raises TrustError."""
        known = self._file.exists()
        if known:
            self._file.unlink()
            self._refresh("--fresh")
        for database in self._databases():
            self._certutil("-D", "-d", f"sql:{database}", "-n", self.name)
        return known

    def _refresh(self, *options: str) -> None:
        try:
            done = subprocess.run([*self.update, *options], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise TrustError(f"{self.update[0]} is missing: apt-get install ca-certificates") from error
        if done.returncode != 0:
            raise TrustError(f"{self.update[0]} failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")

    def _in_browsers(self, certificate: Path) -> Iterator[str]:
        for database in self._databases():
            if self._certutil("-A", "-d", f"sql:{database}", "-n", self.name, "-t", "C,,", "-i", str(certificate)):
                yield f"the browser with its certificates in {database}"

    def _databases(self) -> Iterable[Path]:
        """Chromium and Firefox keep certificates of their own (NSS)."""
        found = [self.user_home / ".pki" / "nssdb", *(self.user_home / ".mozilla" / "firefox").glob("*")]
        return [path for path in found if (path / "cert9.db").exists()]

    def _certutil(self, *arguments: str) -> bool:
        if shutil.which("certutil") is None:
            return False
        return subprocess.run(["certutil", *arguments], capture_output=True, check=False).returncode == 0


def _invoking_user_home() -> Path:
    """The home of the user behind sudo, whose browser it is about."""
    user = os.environ.get("SUDO_USER")
    return Path(os.path.expanduser(f"~{user}")) if user else Path.home()


def authority_file(home: Home) -> Path:
    return home.gateway / "authority" / "ca.crt"


def store_name(home: Home) -> str:
    return f"pilothouse-{home.instance}"


@click.command()
@click.option("--remove", is_flag=True, help="Take the trust back.")
@click.option("--show", is_flag=True, help="Print the certificate (PEM) instead, to import it elsewhere.")
@pass_session
def trust(session: Session, remove: bool, show: bool) -> None:
    """Let this machine's programs believe the certificates of https://APP.localhost.

    The gateway signs them with an authority of this instance, which clients accept for names of a private network alone
    (localhost, test, internal, local, lan, home.arpa, and the domain given with `ph up --domain`).

    \b
    Examples:
      sudo ph trust
      ph trust --show > pilothouse-ca.crt      # for a browser on another machine
      sudo ph trust --remove
    """
    certificate, stores = authority_file(session.home), TrustStores(store_name(session.home))
    if not remove and not certificate.exists():
        raise click.ClickException(f"there is no certificate authority at {session.home.path} yet: `{session.command('up')}` makes it")
    if show:
        click.echo(certificate.read_text(), nl=False)
        return
    if os.geteuid() != 0:
        raise click.ClickException("`ph trust` changes this machine's certificate store: run it with sudo")
    if remove:
        click.echo("trusted no longer" if stores.remove() else "it was not trusted")
        return
    for reader in stores.install(certificate):
        output.note(f"{output.tick()} {reader}")
    click.echo(f"trusted: {certificate}; programs that run already must be started again. Other browsers: import that file as an authority")
