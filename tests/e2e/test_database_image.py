"""The image that databases run: made ahead by `ph up`, and good for both containers of a member."""

import asyncio
import json
import time

import pytest

from pilothouse.oci.packages import tags
from pilothouse.oci.registry import Registry
from pilothouse.platform.databases.mysql.image import MARIADB, USER_ID
from tests.e2e.instance import Instance

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
PROGRAM = """set -e
mariadbd --version
python3 -I -c 'import pymysql, ssl; print(pymysql.__version__)' >/dev/null
for each in mariadb-backup mbstream mariadb mariadb-admin mariadb-binlog mariadb-check mariadb-dump mariadb-upgrade openssl zstd; do
  command -v $each >/dev/null
done
mariadb-install-db --no-defaults --datadir=/var/lib/mysql --auth-root-authentication-method=socket \\
  --auth-root-socket-user=mysql --skip-test-db >/dev/null
mariadbd --no-defaults --datadir=/var/lib/mysql --socket=/tmp/socket --skip-networking --log-bin=log --log-error=/tmp/log.err &
for i in $(seq 30); do test -S /tmp/socket && break; sleep 1; done
mariadb-backup --no-defaults --backup --user=mysql --socket=/tmp/socket --target-dir=/tmp/backup >/tmp/said 2>&1 ||
  { cat /tmp/said; exit 1; }
kill %1 && wait %1
id -u
"""


def made_ahead(instance: Instance) -> str:
    """The name of the image once `ph up` has made it."""

    async def names() -> list[str]:
        async with Registry(f"127.0.0.1:{instance.registry_port}") as registry:
            return await registry.tags(MARIADB.repository)

    deadline = time.monotonic() + 600
    while not (found := asyncio.run(names())):
        assert time.monotonic() < deadline, "no image was made ahead"
        time.sleep(2)
    return f"127.0.0.1:{instance.registry_port}/{MARIADB.repository}:{found[0]}"


def test_a_server_and_its_agent_run_from_the_image_that_was_made_ahead(instance: Instance, namespace: str) -> None:
    image = made_ahead(instance)
    version = tags.parse(image.rpartition(":")[2])
    assert version is not None
    container = {"name": "database", "image": image, "command": ["bash", "-c", PROGRAM]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "m"}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    instance.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(pod))
    instance.kubectl("wait", "-n", namespace, "pod/m", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s", timeout=150)
    said = instance.kubectl("logs", "-n", namespace, "m").stdout.splitlines()
    assert f"Ver {version.version}-MariaDB" in said[0]
    assert said[-1] == str(USER_ID)
