"""`ph rotate-key`: another key for the Secrets in the store."""

import click

from pilothouse.cli.session import Session, pass_session


@click.command(name="rotate-key")
@pass_session
def rotate_key(session: Session) -> None:
    """Encrypt the Secrets in the store with a new key.

    A running cluster takes it up within seconds and writes all Secrets anew while it goes on working; a stopped one does so at its next
    start. The old keys stay in the file, for backups of the store that were made with them.

    \b
    Example:
      ph rotate-key
    """
    from pilothouse.engine.store import keyring

    path = session.home.store_keys
    if not path.exists():
        raise click.ClickException(f"there are no keys at {path} yet: `{session.command('up')}` makes them")
    try:
        name = keyring.rotate(path)
    except keyring.KeyringError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name} in {path} encrypts Secrets from now on; back the file up with {session.home.store}")
