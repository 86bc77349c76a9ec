"""PostgreSQL on a claim, and the job that backs it up to another claim, by helm: hooks, a kept Secret, restores."""

from collections.abc import Callable

import pytest

from tests.e2e.charts.release import Release, down_and_up, restart_node
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(400)]
POD = "p-postgresql-0"
BACKED_UP = ("--set", "backup.enabled=true", "--set", "backup.storageClass=at-once")


@pytest.fixture
def database(images: Callable[..., str], release: Callable[[str], Release]) -> Release:
    images("postgresql", "15", "15-r1")
    return release("p")


def sql(database: Release, text: str) -> list[str]:
    """The lines of what it answers, from inside of its pod over TCP with the Secret's password."""
    return database.sh(POD, f'PGPASSWORD=$(cat /secrets/password) psql -qAt -h p-postgresql -U shop shop -c "{text}"').splitlines()


def notes(database: Release) -> list[str]:
    return sql(database, "SELECT said FROM notes ORDER BY id")


def test_a_database_is_installed_migrated_upgraded_rolled_back_and_found_again(database: Release) -> None:
    helm = database.helm
    assert "p-postgresql." in helm.install("p", "postgresql")
    assert notes(database) == ["migrated 1"]
    assert "Succeeded" in helm("test", "p")
    sql(database, "INSERT INTO notes (said) VALUES ('mine')")

    helm.upgrade("p", "postgresql", "--set", "image.tag=15-r1", "--set", "primary.extendedConfiguration=max_connections = 40")
    assert database.sh(POD, "echo $IMAGE_TAG") == "15-r1"
    assert notes(database) == ["migrated 1", "mine", "migrated 2"]
    helm.rollback("p", 1)
    assert database.sh(POD, "echo $IMAGE_TAG") == "15"
    assert notes(database) == ["migrated 1", "mine", "migrated 2", "migrated 1"]

    database.replace(POD)
    database.kill(POD)
    restart_node(database.instance)
    before = database.identity(POD)
    down_and_up(database.instance)
    database.is_ready(1, "primary")
    assert (database.identity(POD), notes(database)[1]) == (before, "mine")

    helm.uninstall("p")
    database.is_gone("secret/p-postgresql")
    assert database.claims() == ["data-p-postgresql-0"]
    assert database.kubectl("get", "secret", "p-postgresql", "-o", "name") == "secret/p-postgresql", "helm removed what is to be kept"
    helm.install("p", "postgresql")
    assert notes(database) == ["migrated 1", "mine", "migrated 2", "migrated 1", "farewell", "migrated 1"]


@pytest.mark.usefixtures("at_once")
def test_a_cron_job_backs_the_database_up_and_the_backup_brings_it_back(database: Release) -> None:
    helm = database.helm
    helm.install("p", "postgresql", *BACKED_UP, "--set", "backup.schedule=0 3 * * *")
    sql(database, "INSERT INTO notes (said) VALUES ('precious')")
    for number in range(4):
        database.kubectl("create", "job", f"by-hand-{number}", "--from=cronjob/p-postgresql-backup")
        database.kubectl("wait", f"job/by-hand-{number}", "--for=condition=complete", "--timeout=60s")
    said = database.kubectl("logs", "job/by-hand-3")
    assert "wrote /backups/" in said
    sql(database, "DELETE FROM notes")
    files = restore(database)
    assert [name.rsplit("-", 1)[1] for name in files] == ["1.sql", "2.sql", "3.sql"], "it keeps three"
    assert "precious" in notes(database)

    helm.upgrade("p", "postgresql", *BACKED_UP, "--set", "backup.schedule=* * * * *")

    def has_run_by_itself() -> bool:
        jobs = database.get("jobs", "-l", "app.kubernetes.io/instance=p")["items"]
        return any(each["metadata"]["name"].startswith("p-postgresql-backup-") and each["status"].get("succeeded") for each in jobs)

    eventually(has_run_by_itself, 100, 1)
    helm.uninstall("p")
    database.is_gone("secret/p-postgresql")
    assert database.claims() == ["data-p-postgresql-0", "p-postgresql-backups"]


RESTORE = """
apiVersion: batch/v1
kind: Job
metadata: {name: restore}
spec:
  template:
    spec:
      restartPolicy: Never
      securityContext: {fsGroup: 1001}
      containers:
        - name: restore
          image: IMAGE
          env:
            - {name: PGPASSWORD, valueFrom: {secretKeyRef: {name: p-postgresql, key: password}}}
          command: [sh, -ec, "ls -1 /backups; psql -q -h p-postgresql -U shop shop -f $(ls -1 /backups/*.sql | tail -n 1) >/dev/null"]
          volumeMounts: [{name: backups, mountPath: /backups, readOnly: true}]
      volumes: [{name: backups, persistentVolumeClaim: {claimName: p-postgresql-backups}}]
"""


def restore(database: Release) -> list[str]:
    """Brings the newest backup back; the names of all backups."""
    image = database.get("statefulset", "p-postgresql")["spec"]["template"]["spec"]["containers"][0]["image"]
    database.kubectl("apply", "-f", "-", input=RESTORE.replace("IMAGE", image))
    database.kubectl("wait", "job/restore", "--for=condition=complete", "--timeout=60s")
    return database.kubectl("logs", "job/restore").splitlines()
