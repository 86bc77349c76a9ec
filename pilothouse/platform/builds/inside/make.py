"""Runs buildah over the prepared source, pushes the image, and leaves the build's outcome as the termination message."""

import os
import re
import resource
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from pilothouse.platform.builds.dockerfile import base_images, own_ports_first
from pilothouse.platform.builds.inside import registries
from pilothouse.platform.builds.inside.output import say
from pilothouse.platform.builds.inside.run import Run
from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.inside.steps import Steps, with_variables
from pilothouse.platform.builds.inside.store import Store
from pilothouse.platform.builds.inside.translate import Translation, Untranslatable, translated
from pilothouse.platform.builds.inside.watch import Watch
from pilothouse.platform.builds.outcome import Outcome, write
from pilothouse.platform.builds.progress import Begun, Ended, Note
from pilothouse.platform.builds.stand_ins.reference import Reference

AWAY_S, AGAIN_S = 300.0, 1.0
_AWAY = re.compile(r"405|method not allowed|operation is unsupported|connection refused|connection reset|EOF|blob unknown", re.IGNORECASE)
BUILDAH = ("buildah", "--storage-driver", "overlay")


def build(environ: Mapping[str, str], arguments: list[str]) -> int:
    """arguments: more options of `buildah build`. Returns the exit status."""
    settings = Settings.of(environ)
    store = Store(settings)
    store.make_ready()
    with store.used_by(settings.uid):
        outcome = _Builder(settings, arguments, store).outcome()
        settings.termination.write_text(write(outcome))
    if outcome.reason:
        say(Note(outcome.message))
    # Also after a failure: layers that a build made before it failed take room as well.
    store.sweep()
    store.prune_when_due()
    return 1 if outcome.reason else 0


class _Builder:
    def __init__(self, settings: Settings, options: list[str], store: Store) -> None:
        self.settings = settings
        self.options = options
        self.given = ""
        self.text = settings.written.read_text(encoding="utf-8", errors="surrogateescape")
        self.store = store
        self.watch = Watch(self.text)

    def outcome(self) -> Outcome:
        if self.settings.stand_ins and not registries.wait_for_bases(self.settings):
            return Outcome("NoBaseImage", "the base images did not become available in time: deploy again")
        self._say_stand_ins()
        registries.write(self.settings)
        try:
            translation = translated(self.settings, self.text)
        except Untranslatable as error:
            return Outcome("BuildFailed", str(error))
        made = self._buildah(self._arguments(translation))
        self.store.note_used(self.watch.images)
        if made.returncode != 0:
            return self._failed(made)
        pushed = self._push()
        return pushed if pushed.reason else self._described(pushed.digest)

    def _say_stand_ins(self) -> None:
        images = [image for image in base_images(self.text, self.settings.args) if Reference.parse(image).family]
        if self.settings.stand_ins and images:
            say(Note(f"no image registry is in reach: {', '.join(images)} made from the distribution's packages"))

    def _arguments(self, translation: Translation) -> list[str]:
        settings = self.settings
        steps = Steps(settings, os.environ)
        self.given = translation.text
        text, stages = with_variables(translation.text, steps.variables)
        self.watch.builds(translation.text, stages)
        file = settings.written.with_name("Dockerfile.given")
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        contexts = [f"--build-context={name}={folder}" for name, folder in translation.contexts.items()]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        processes = resource.getrlimit(resource.RLIMIT_NPROC)
        given = [word for key, value in settings.args.items() for word in ("--build-arg", f"{key}={value}")]
        pull = "newer" if settings.stand_ins else "missing"  # a stand-in that was made anew is near, a public registry counts requests
        cache = ["--no-cache", "--pull=always"] if settings.no_cache else ["--layers", f"--pull={pull}"]
        # Without CAP_SYS_RESOURCE buildah's own, higher limits are refused.
        limits = [f"--ulimit=nofile={soft}:{hard}", f"--ulimit=nproc={processes[0]}:{processes[1]}"]
        fixed = ["--isolation", "chroot", "--format", "docker", "--network", "host", "--ignorefile", "/dev/null"]
        named = ["--file", str(file), "--tag", settings.image]
        return ["build", *fixed, *cache, *limits, *steps.mounts(), *given, *self.options, *contexts, *named, "."]

    def _buildah(self, arguments: list[str]) -> Run:
        run = Run([*BUILDAH, *arguments], cwd=self.settings.context, timeout_s=self.settings.timeout_s, environ=_environment(self.settings))
        run.each_line(self.watch.line)
        self.watch.end()
        return run

    def _failed(self, run: Run) -> Outcome:
        if run.timed_out:
            return Outcome("TimedOut", self._timed_out(), steps=tuple(self.watch.steps))
        from pilothouse.platform.builds.failure import explain  # its many patterns cost a start that succeeds more than they are worth

        message = explain(self.given, self.watch.tail(), is_generated=self.settings.is_generated)
        return Outcome("BuildFailed", message, steps=tuple(self.watch.steps))

    def _timed_out(self) -> str:
        last = self.watch.steps[-1:]
        where = f" in line {last[0].line}: {last[0].name[:120]}" if last and last[0].line else " before its first step"
        limit = f"{self.settings.timeout_s:g} s"
        return f"stopped after {limit}, the time limit of builds,{where}: `ph config set build.timeout SECONDS` gives more"

    def _push(self) -> Outcome:
        image, began = self.settings.image, time.monotonic()
        say(Begun("push", image))
        digest = self.settings.source.parent / "digest"
        push = ["push", "--quiet", "--tls-verify=false", "--disable-compression", "--digestfile", str(digest), image]
        for name in _names(image, self.settings.attempt):
            done = _pushed([*BUILDAH, *push, f"docker://{name}"], _environment(self.settings))
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                message = f"the image cannot be pushed to {self.settings.registry}: {last}"
                return Outcome("PushFailed", message, steps=tuple(self.watch.steps))
        self.watch.add("push", time.monotonic() - began)
        say(Ended("push", time.monotonic() - began))
        return Outcome(digest=digest.read_text().strip())

    def _described(self, digest: str) -> Outcome:
        config = _image_config(self.settings, digest)
        exposed = (int(port.partition("/")[0]) for port in config.get("ExposedPorts") or {} if not port.endswith("/udp"))
        image = {
            "command": config.get("Cmd") or [],
            "entrypoint": config.get("Entrypoint") or [],
            "user": config.get("User", ""),
            "workingDir": config.get("WorkingDir", ""),
            "volumes": sorted(config.get("Volumes") or {}),
        }
        return Outcome(digest=digest, ports=own_ports_first(self.text, exposed), image=image, steps=tuple(self.watch.steps))


def _names(image: str, attempt: int) -> list[str]:
    """A later attempt's image has a tag of its own, too: one that lives on unseen may move the other, and what has no tag is collected."""
    return [f"{image}-{attempt}", image] if attempt else [image]


def _pushed(argv: list[str], environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Again for AWAY_S while the registry takes nothing: it is read-only, and started anew, while unused blobs are removed."""
    deadline = time.monotonic() + AWAY_S
    while True:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(environ))
        if done.returncode == 0 or not _AWAY.search(done.stderr) or time.monotonic() > deadline:
            return done
        time.sleep(AGAIN_S)


def _environment(settings: Settings) -> dict[str, str]:
    environ = dict(os.environ) | {"TMPDIR": str(settings.storage / "tmp"), "BUILDAH_ISOLATION": "chroot"}
    certificates = settings.environment / "ca.crt"
    if certificates.is_file() and certificates.stat().st_size:
        environ["SSL_CERT_FILE"] = str(certificates)
    return environ


def _image_config(settings: Settings, digest: str) -> dict[str, Any]:
    """The `config` of an image that was just pushed."""
    repository = settings.image.removeprefix(f"{settings.registry}/").rpartition(":")[0]
    manifest = registries.document(settings, f"/v2/{repository}/manifests/{digest}")
    config = registries.document(settings, f"/v2/{repository}/blobs/{manifest['config']['digest']}")
    found: dict[str, Any] = config.get("config") or {}
    return found
