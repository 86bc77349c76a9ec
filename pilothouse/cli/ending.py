"""How a command ends: what went wrong as one sentence on standard error, and the exit code.

1: it failed; 2: wrong usage; 130: Ctrl-C; 141: nobody reads the output any more (SIGPIPE, as of any other filter).
"""

import errno
import os
import signal
import sys
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from typing import Any

import click

from pilothouse.cli.session import Session, placed
from pilothouse.cli.settings.home import SettingsError
from pilothouse.client.kubeconfig import KubeconfigError
from pilothouse.model.errors import ApiError, NotFound, Unavailable

FAILED, INTERRUPTED = 1, 130
PLATFORM = {"apps.pilothouse.dev": "apps", "databases.pilothouse.dev": "databases"}
"""The platform's groups in the API, and what is in them."""
NO_PLATFORM = "there are no {} on this cluster, since the platform is not part of it: add it with "
ADD_HERE, ADD_ELSEWHERE = "`ph down` and `ph up --platform`", "`ph run platform`"
GLOBAL_OPTIONS = frozenset({"--home", "--kubeconfig", "--color"})


def explained(error: Exception, session: Session | None) -> Exception:
    """The error as one that click shows, its commands made for this session; itself when it is nothing that a user can mend."""
    known = next((each for each in _leaves(error) if isinstance(each, click.ClickException | _KNOWN)), None)
    match known:
        case click.exceptions.NoSuchOption(option_name=option) if option in GLOBAL_OPTIONS:
            return click.UsageError(f"{option} goes before the command: ph {option} ... {known.ctx.info_name if known.ctx else 'COMMAND'}")
        case click.ClickException():
            return _placed(known, session)
        case None:
            return error
        case OSError() as failed:
            return error if _is_about_output(failed) else click.ClickException(_of_system(failed))
        case NotFound(message=message) if what := _missing_kinds(message):
            return click.ClickException(placed(NO_PLATFORM.format(what) + _way_to_platform(session), session))
        case Unavailable() if session is not None and (reason := _not_running(session)):
            return click.ClickException(reason)
    return click.ClickException(placed(str(known), session))


def _missing_kinds(message: str) -> str:
    """What of the platform a cluster has not, by the answer for a path that it does not know; "" for another answer."""
    return next((what for group, what in PLATFORM.items() if f" /apis/{group}/" in message), "")


def _way_to_platform(session: Session | None) -> str:
    return ADD_HERE if session is not None and session.is_local else ADD_ELSEWHERE


def _not_running(session: Session) -> str:
    from pilothouse.cli.cluster.health import not_running

    return not_running(session)


def _placed(error: click.ClickException, session: Session | None) -> click.ClickException:
    text = placed(error.message, session)
    if text == error.message:
        return error
    return click.UsageError(text, error.ctx) if isinstance(error, click.UsageError) else click.ClickException(text)


_KNOWN = ApiError | SettingsError | KubeconfigError | OSError


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _of_system(error: OSError) -> str:
    what = (error.strerror or str(error)).lower()
    return f"{error.filename}: {what}" if error.filename else what


def _is_about_output(error: OSError) -> bool:
    """Whether it came from writing to an open stream: such errors name no file."""
    return error.filename is None and (isinstance(error, BrokenPipeError) or error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF))


def exit_code(command: Callable[[], Any], *, verbose: bool) -> int:
    """Run the command and say how it ended. verbose: with the traceback of what failed."""
    try:
        code = command()
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        if verbose and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, CancelledError, click.exceptions.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except (OSError, ExceptionGroup) as error:
        failed = next((each for each in _leaves(error) if isinstance(each, OSError) and _is_about_output(each)), None)
        if failed is None:
            raise
        return _unwritten(failed)
    return code if isinstance(code, int) else 0


def _unwritten(error: OSError) -> int:
    """Standard output takes nothing more. What is left in its buffer must not be tried again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if isinstance(error, BrokenPipeError):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    click.echo(f"Error: the output cannot be written: {(error.strerror or str(error)).lower()}", err=True)
    return FAILED
