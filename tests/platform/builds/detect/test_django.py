"""Django projects: settings, migrations, static files, hosts."""

import pytest

from tests.platform.builds.detect.trees import found, runs, web

MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\nimport django\n'
SETTINGS = 'DEBUG = True\nALLOWED_HOSTS = []\nINSTALLED_APPS = ["django.contrib.staticfiles"]\nSTATIC_URL = "static/"\n'
TREE: dict[str, str | bytes] = {"requirements.txt": "Django>=5\n", "manage.py": MANAGE, "shop/settings.py": SETTINGS}


def test_a_project_is_served_by_gunicorn_and_migrated_before_each_rollout() -> None:
    assert web(found(TREE)).endswith("shop.wsgi:application")
    assert found(TREE).processes["release"].line == "python manage.py migrate --noinput"


def test_a_project_with_channels_is_served_by_an_asgi_server() -> None:
    detected = found({**TREE, "requirements.txt": "django\nchannels", "shop/asgi.py": ""})
    assert web(detected) == "uvicorn --host 0.0.0.0 --port $PORT shop.asgi:application"


def test_static_files_of_a_project_that_does_not_serve_them_are_served_by_whitenoise() -> None:
    detected = found(TREE)
    assert "pip install gunicorn whitenoise" in runs(detected)
    assert "'from shop.settings import *'" in detected.dockerfile
    assert "DJANGO_SETTINGS_MODULE=pilothouse_settings" in detected.dockerfile
    assert "whitenoise, which is added" in detected.why[-1]


def test_a_project_that_serves_its_static_files_has_them_collected() -> None:
    settings = f'{SETTINGS}STATIC_ROOT = BASE / "x"\nMIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware"]\n'
    detected = found({**TREE, "requirements.txt": "django\nwhitenoise", "shop/settings.py": settings})
    assert any("python manage.py collectstatic --noinput && find /app ! -user app" in line for line in runs(detected))
    assert "pilothouse_settings" not in detected.dockerfile


def test_the_overlay_of_settings_is_a_valid_module(tmp_path: object) -> None:
    line = next(line for line in runs(found(TREE)) if "printf" in line)
    assert line.count("'") % 2 == 0
    assert "\n" not in line


def test_a_project_one_folder_down_is_found() -> None:
    detected = found({"requirements.txt": "django", "site/manage.py": MANAGE, "site/shop/settings.py": SETTINGS})
    assert detected.processes["release"].line == "python site/manage.py migrate --noinput"
    assert "PYTHONPATH=/app/site:" in detected.dockerfile


@pytest.mark.parametrize(
    ("hosts", "hinted"),
    [
        ('ALLOWED_HOSTS = ["shop.example"]', True),
        ('ALLOWED_HOSTS = ["*"]', False),
        ("ALLOWED_HOSTS = env('X')", False),
        ("ALLOWED_HOSTS = []", False),
    ],
)
def test_hosts_that_leave_out_the_apps_own_are_hinted_at(hosts: str, hinted: bool) -> None:
    warnings = found({**TREE, "shop/settings.py": f"DEBUG = True\n{hosts}\n"}).warnings
    assert any("ALLOWED_HOSTS" in warning for warning in warnings) is hinted
