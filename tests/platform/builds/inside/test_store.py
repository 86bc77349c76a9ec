import datetime
import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.inside.store import PRUNE_EVERY_S, Store, size_bytes

MIB = 1 << 20
FAKE = """\
#!/bin/sh
# Stands in for buildah: an image is a folder of the store.
case " $* " in
*" images "*) printf '[{"id":"old","created":1},{"id":"base","created":1},{"id":"child","created":9},{"id":"new","created":5}]' ;;
*" rm "*) shift 3; echo "$@" >>"$STORE/removed" ;;
*" rmi "*) for last; do :; done; echo "$last" >>"$STORE/removed"; rm -rf "$STORE/images/$last" ;;
esac
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Four images of 1 MiB, the last used one `new`."""
    program = tmp_path / "bin/buildah"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STORE", str(tmp_path / "store"))
    for name in ("old", "base", "child", "new"):
        (tmp_path / "store/images" / name).mkdir(parents=True)
        (tmp_path / "store/images" / name / "layer").write_bytes(os.urandom(MIB))
    made = Store(Settings.of({"STORAGE": str(tmp_path / "store"), "STORAGE_LIMIT": str(3 * MIB)}))
    made.make_ready()
    made.note_used(["base", "child"])
    made.note_used(["new"])
    return made


def removed(store: Store) -> list[str]:
    path = store.folder / "removed"
    return path.read_text().split() if path.exists() else []


def test_the_least_recently_used_go_first_and_a_child_before_its_base(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.platform.builds.inside.store.BATCH", 1)
    store.prune()
    assert removed(store) == ["old", "child"]
    assert size_bytes(store.folder) <= 3 * MIB


def test_a_store_within_its_limit_is_left_alone(store: Store) -> None:
    store.limit = 10 * MIB
    store.prune()
    assert removed(store) == []


def test_the_store_is_measured_once_an_hour(store: Store) -> None:
    (store.folder / "pruned").touch()
    store.prune_when_due()
    assert removed(store) == []
    past = time.time() - PRUNE_EVERY_S - 1
    os.utime(store.folder / "pruned", (past, past))
    store.prune_when_due()
    assert removed(store)


def test_cache_mounts_go_when_the_images_are_not_enough(store: Store) -> None:
    (store.folder / "tmp/buildah-cache-0/pip").mkdir(parents=True)
    store.limit = 0
    store.prune()
    assert not (store.folder / "tmp/buildah-cache-0").exists()


def test_what_was_used_is_remembered_within_a_bound(store: Store) -> None:
    store.note_used([f"{number:012d}" for number in range(6000)])
    assert len(json.loads((store.folder / "used.json").read_text())) == 5000


def test_builds_that_end_at_once_do_not_break_each_others_notes(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(store.note_used, [f"image-{number}"]) for number in range(64)]:
            done.result()
    assert isinstance(json.loads((store.folder / "used.json").read_text()), dict)


HOUR_S = 3600.0


def container(store: Store, id: str, *, ago_s: float, file: str = "volatile-containers.json") -> None:
    """A working container that a build began so long ago, with a folder among the temporary files."""
    path = store.folder / "storage/overlay-containers" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else []
    created = datetime.datetime.fromtimestamp(time.time() - ago_s, datetime.UTC).isoformat().replace("+00:00", "Z")
    path.write_text(json.dumps([*known, {"id": id, "created": created}]))
    (store.folder / "tmp" / f"buildah-{id}").mkdir()
    os.utime(store.folder / "tmp" / f"buildah-{id}", (time.time() - ago_s, time.time() - ago_s))


def begun(store: Store, uid: str, *, ago_s: float) -> None:
    """The running build of that uid has worked for so long."""
    os.utime(store.folder / "running" / uid, (time.time() - ago_s, time.time() - ago_s))


def test_a_killed_build_leaves_no_container_and_no_temporary_files(store: Store) -> None:
    (store.folder / "running" / "killed").touch()
    container(store, "dead", ago_s=HOUR_S)
    container(store, "older", ago_s=2 * HOUR_S, file="containers.json")
    (store.folder / "tmp/buildah-cache-0").mkdir()
    assert sorted(store.sweep()) == ["dead", "older"]
    assert sorted(removed(store)) == ["dead", "older"]
    assert [path.name for path in (store.folder / "tmp").iterdir()] == ["buildah-cache-0"]
    assert list((store.folder / "running").iterdir()) == []


def test_what_a_running_build_has_made_is_left_alone(store: Store) -> None:
    container(store, "dead", ago_s=2 * HOUR_S)
    with store.used_by("running"):
        begun(store, "running", ago_s=HOUR_S)
        container(store, "live", ago_s=HOUR_S / 2)
        assert store.sweep() == ["dead"]
        assert [path.name for path in (store.folder / "tmp").iterdir()] == ["buildah-live"]


def test_images_stay_while_a_build_runs_and_go_with_the_last_one(store: Store) -> None:
    with store.used_by("running"):
        assert not store.prune()
        store.prune_when_due()
        assert removed(store) == []
    store.prune_when_due()
    assert removed(store) != []


def test_a_build_that_is_killed_is_over_for_the_store(store: Store) -> None:
    program = f"import time; from pathlib import Path; from {Store.__module__} import Store; from {Settings.__module__} import Settings\n"
    program += f"with Store(Settings.of({{'STORAGE': '{store.folder}'}})).used_by('uid'): print('begun', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "begun\n"
        assert not store.prune()
        build.kill()
        store.wait_for_end("uid")
        assert store.prune()
