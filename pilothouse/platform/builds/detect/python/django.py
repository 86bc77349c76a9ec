"""Django projects: the settings module, migrations before a rollout, and static files.

Static files: a project that serves them itself (whitenoise) has them collected into the image. One that does not gets
whitenoise in front of its middleware through a settings module that imports the project's own; whitenoise then finds
the files where the apps have them, as `runserver` does.
"""

import posixpath
import re

from pilothouse.platform.builds.detect.python.web import GUNICORN, Web, unless
from pilothouse.platform.builds.detect.recipe import OWNED_BY_THE_APP
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

OVERLAY = "/opt/pilothouse/pilothouse_settings.py"
_SETTINGS = re.compile(r"[\"']DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([\w.]+)[\"']")
_LITERAL_HOSTS = re.compile(r"^ALLOWED_HOSTS\s*=\s*\[([^\]]{0,5000})\]", re.MULTILINE)
_LOCAL = re.compile(r"[\"'](?:\*|\.?localhost)[\"']")
_PRODUCTION = re.compile(r"^DEBUG\s*=\s*False", re.MULTILINE)
_ROOT = re.compile(r"^STATIC_ROOT\s*=", re.MULTILINE)


def manage_py(tree: Tree) -> str:
    """manage.py at the root or one folder below, "" when there is none."""
    below = sorted(path for path in tree.ending("/manage.py") if path.count("/") == 1)
    return tree.first("manage.py", *below)


def is_django(tree: Tree, names: set[str]) -> bool:
    manage = manage_py(tree)
    return bool(manage) and ("django" in names or "django" in tree.text(manage))


def django(tree: Tree, names: set[str]) -> Web:
    manage = manage_py(tree)
    folder = posixpath.dirname(manage)
    found = _SETTINGS.search(tree.text(manage))
    if found is None:
        return Web(
            "", "django", missing=f"{tree.name}/{manage} names no settings module: add a Procfile with `web: COMMAND` or a Dockerfile"
        )
    settings, project = found[1], found[1].split(".")[0]
    text = _settings_text(tree, folder, settings)
    command, packages, server = _server(tree, folder, project, names)
    after, more, variables, how = _static(settings, text, manage, names)
    why = f"Django: {manage} names {settings}; {project} is served by {server}; migrations run before each rollout; {how}"
    release = f"python {quoted(manage)} migrate --noinput"
    return Web(
        command,
        why,
        (*packages, *more),
        path_entry=folder,
        variables=variables,
        processes={"release": release},
        after=after,
        warnings=_host_hint(text, settings),
    )


def _settings_text(tree: Tree, folder: str, settings: str) -> str:
    """Of the settings module and, for a package, of its files."""
    base = posixpath.join(folder, settings.replace(".", "/"))
    package = [path for path in tree.inside(posixpath.dirname(base)) if posixpath.basename(path) in ("base.py", "common.py")]
    paths = [path for path in (f"{base}.py", f"{base}/__init__.py", f"{base}/base.py", *package) if tree.has(path)]
    return "\n".join(tree.text(path) for path in dict.fromkeys(paths))


def _server(tree: Tree, folder: str, project: str, names: set[str]) -> tuple[str, tuple[str, ...], str]:
    """(command, packages, its name): ASGI where channels or an ASGI server is asked for."""
    asgi = names & {"channels", "daphne", "uvicorn", "hypercorn"} and "gunicorn" not in names
    if asgi and tree.has(posixpath.join(folder, project, "asgi.py")):
        return f"uvicorn --host 0.0.0.0 --port $PORT {project}.asgi:application", unless("uvicorn", names), "uvicorn"
    return f"{GUNICORN} {project}.wsgi:application", unless("gunicorn", names), "gunicorn"


def _static(settings: str, text: str, manage: str, names: set[str]) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str], str]:
    """(lines after the source, packages, variables, what is done)."""
    if "whitenoise" in names or "whitenoise" in text:
        if not _ROOT.search(text):
            return (), unless("whitenoise", names), {}, "whitenoise serves static files"
        # A project that refuses to start without a key gets one for this step only.
        collect = f"RUN SECRET_KEY=only-for-collectstatic python {quoted(manage)} collectstatic --noinput"
        # What root has written, the app could not write over when it collects them again at its start.
        collect += f" && {OWNED_BY_THE_APP}"
        return (collect,), unless("whitenoise", names), {}, "static files are collected in the build and served by whitenoise"
    if "django.contrib.staticfiles" not in text:
        return (), (), {}, "it has no static files"
    lines = (
        f"from {settings} import *",
        'at = next((i + 1 for i, name in enumerate(MIDDLEWARE) if name.endswith(".SecurityMiddleware")), 0)',
        'MIDDLEWARE = [*MIDDLEWARE[:at], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[at:]]',
        "WHITENOISE_USE_FINDERS = True",
    )
    write = f"RUN mkdir -p {posixpath.dirname(OVERLAY)} && printf '%s\\n' {' '.join(_single_quoted(line) for line in lines)} > {OVERLAY}"
    variables = {"DJANGO_SETTINGS_MODULE": "pilothouse_settings"}
    return (write,), ("whitenoise",), variables, "static files are served by whitenoise, which is added"


def _single_quoted(line: str) -> str:
    return f"'{line}'"


def _host_hint(text: str, settings: str) -> tuple[str, ...]:
    found = _LITERAL_HOSTS.search(text)
    if found is None or _LOCAL.search(found[1]) or (not found[1].strip() and not _PRODUCTION.search(text)):
        return ()
    return (f"ALLOWED_HOSTS in {settings} does not have '.localhost': requests to NAME.localhost get 400 until it does",)
