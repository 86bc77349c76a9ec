"""What the cluster has of backups, kept current."""

from collections.abc import Mapping, Sequence

from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.pattern.backups.source import Source
from pilothouse.platform.databases.resource import BACKUP_STORES, BACKUPS


class Cache:
    """sources: by kind of service. Asks for its informers when it is made; they run elsewhere."""

    def __init__(self, informers: Informers, sources: Mapping[str, Source]) -> None:
        self.sources = sources
        self.backups = informers.of(BACKUPS, indexes={"instance": instance_keys})
        self.stores = informers.of(BACKUP_STORES)
        self.instances = {kind: informers.of(source.instances) for kind, source in sources.items()}
        owner = {"owner": lambda obj: [meta.labels(obj).get(labels.BACKUP_UID, "")]}
        self.jobs = informers.of(kinds.JOBS, label_selector=labels.TASK, indexes=owner)
        self.pods = informers.of(kinds.PODS, label_selector=labels.TASK, indexes=owner)

    def jobs_of(self, owner: Object) -> dict[str, tuple[Object, Sequence[Object]]]:
        """By task, with their pods."""
        pods = self.pods.by_index("owner", meta.uid(owner))
        return {task(job): (job, [pod for pod in pods if task(pod) == task(job)]) for job in self.jobs.by_index("owner", meta.uid(owner))}

    def instance(self, backup: Object) -> Object | None:
        informer = self.instances.get(labels.kind_of(backup))
        return informer.get(instance_keys(backup)[0]) if informer is not None else None

    def backups_of(self, key: str) -> list[Object]:
        return self.backups.by_index("instance", key)


def instance_keys(backup: Object) -> list[str]:
    return [f"{meta.namespace(backup)}/{labels.instance_of(backup)}"]


def task(obj: Object) -> str:
    return meta.labels(obj).get(labels.TASK, "")
