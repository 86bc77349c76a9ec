"""Why git could not fetch, in one sentence with the way out."""

import re

_ASKS = re.compile(
    r"could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|returned error: 40[13]"
)
_KINDS: tuple[tuple[str, str], ...] = (
    (
        r"Permission denied \(|no matching host key|Load key",
        "{url} does not accept the SSH key: put one that it knows as `ssh-privatekey` into a Secret, named with --git-secret NAME",
    ),
    (
        r"Host key verification failed",
        "the host of {url} is not known: put its key (`ssh-keyscan HOST` prints it) as `known_hosts` into the Secret of --git-secret",
    ),
    (
        r"unable to fork|cannot run ssh|ssh: not found",
        "there is no ssh to reach {url} with: use the repository's https address",
    ),
    (
        r"SSL certificate problem|server certificate verification failed|certificate verify failed",
        "the certificate of {url} was refused: set the CA that signed it with `ph config set ca FILE`",
    ),
    (
        r"[Cc]ould not resolve (?:host|hostname)|Name or service not known",
        "{url} cannot be reached: its host name is not known",
    ),
    (
        r"Connection refused|Failed to connect|Connection timed out|Couldn't connect|unable to connect|"
        r"Network is unreachable|No route to host",
        "{url} cannot be reached: nothing answers there",
    ),
    (
        r"not found|does not appear to be a git repository|Repository not found|returned error: 404|not valid: is this a git repository",
        "{url} is no Git repository, or one that is not shown to us",
    ),
)


def explained(url: str, said: str) -> str:
    """said: what git wrote to standard error. Of what is not known, git's own first error."""
    if _ASKS.search(said):
        return (
            f"{url} asks for a user and a password: put them into a Secret as `username` and `password`, "
            "or `ssh-privatekey` for an SSH address, and name it with --git-secret NAME"
        )
    for pattern, sentence in _KINDS:
        if re.search(pattern, said):
            return sentence.format(url=url)
    lines = [line.removeprefix("fatal: ").removeprefix("error: ").strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))]
    first = errors[0].partition(": ")[2] if errors else lines[0] if lines else "git gave no reason"
    return f"git cannot fetch from {url}: {first}"
