"""Words that are wrong before any cluster is asked: one sentence, with an example."""

from pathlib import Path

import pytest

from tests.cli.test_ending import ph

MISTAKES = {
    "create Orders": "'Orders' is no name for an instance: use at most 40 lower case letters, digits and dashes, a letter first",
    "create A_LONG_NAME-that-is-longer-than-what-an-instance-takes": "such as a-long-name-that-is-longer-than-what-an",
    "create orders --backup-schedule x": "'x' is no schedule: write five fields",
    "create orders --replicas 2": "'2' is no number of members: an instance has 1, or 3 to 9 of which one is the primary",
    "create orders --flavour postgres": "'postgres' is not one of 'mariadb', 'mysql'",
    "create orders --size 2GB": "'2GB' is no amount of storage: write 2Gi (or 2G, powers of 1000)",
    "create orders --memory 1": "'1' of memory is 1 bytes, in which nothing starts: write 256Mi or 1Gi",
    "create orders --version new": "'new' is no version: write one such as 10.11 or 10.11.18",
    "create orders --param x": "'x' is not NAME=VALUE, such as max_connections=200",
    "create orders --allow x": "'x' names no clients: write app=reports, tools/app=reports (of namespace tools), tools/ (all of it) or",
    "create orders --at 10m": "--at says of what time the data is, and needs --from INSTANCE",
    "restore orders --to copy --at yesterday": "'yesterday' is no time: write 2026-11-30T12:00:00Z, or 10m for ten minutes ago",
    "restore orders --to copy --at 2026-11-30T12:00:00": "does not say in which zone",
    "restore orders --to copy --at 10m --backup b": "--at and --backup exclude each other",
    "restore orders": "Missing option '--to'",
    "resize orders": "say what is to change: --cpu, --memory or --size",
    "set orders": "say what is to change, such as --backup-keep 14",
    "set orders --param a=1 --no-param a": "a is given with --param and with --no-param: leave one out",
    "set orders --image mysql:8.4 --version 8.4": "--version and --image exclude each other: an image has a version of its own",
    "create orders --from b1 --from-volumes shop/orders": "--from and --from-volumes exclude each other",
    "upgrade orders": "say which version: --version VERSION, --image IMAGE, or --undo for the one before",
    "upgrade orders --version 8.0 --image mysql:8.4": "say which version: --version VERSION, --image IMAGE, or --undo for the one before",
    "create orders --image Mysql:8.4": "'Mysql:8.4' is no image: write REPOSITORY:TAG in lower case",
    "create orders --image mysql:8.4 --version 8.4": "--version and --image exclude each other: an image has a version of its own",
    "backup": "name an instance, or list the backups with --list",
    "connect orders --root --user x": "--root and --user exclude each other",
    "users add orders 1x": "'1x' is no name for an account",
    "users grant orders x SELECT;": "'SELECT;' is no privilege: write those of GRANT with commas between, such as SELECT,INSERT, or ALL",
    "users grant orders x ALL --on a.b.c": "'a.b.c' is no place of rights: write DATABASE, DATABASE.TABLE or *",
    "databases add orders 1x": "'1x' is no name for a database",
    "users orders": "mysql users list orders` shows those of an instance orders",
    "params orders": "mysql params show orders` shows those of an instance orders",
    "params set orders 1=2": "'1' is no name of a parameter: write one such as max_connections",
    "crete": "No such command 'crete'. (Did you mean one of: 'create', 'restore'?)",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_sentence(tmp_path: Path, words: str) -> None:
    done = ph("--home", str(tmp_path), "mysql", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert MISTAKES[words] in done.stderr.splitlines()[-1]
