import re

import pytest

from pilothouse.cli.apps.volumes.option import merged, parsed
from pilothouse.model.json import Object


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("data:/data", {"path": "/data"}),
        ("data:/data:2Gi", {"path": "/data", "size": "2Gi"}),
        ("data:/data:ro", {"path": "/data", "readOnly": True}),
        ("data:/data:2Gi:rwx,class=nfs", {"path": "/data", "size": "2Gi", "accessMode": "ReadWriteMany", "storageClass": "nfs"}),
        ("data:/data:process=web,process=worker", {"path": "/data", "processes": ["web", "worker"]}),
        ("data:/data:claim=old-data", {"path": "/data", "claim": "old-data"}),
    ],
)
def test_a_volume_is_a_name_a_place_a_size_and_options(text: str, given: Object) -> None:
    assert parsed(text) == ("data", given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data", "'data' says no place: write NAME:PATH[:SIZE], such as data:/data:2Gi"),
        ("/data", "'/data' has no name: write NAME:PATH, such as data:/data"),
        ("", "such as data:/data:2Gi"),
        ("./files:/data", "is a folder of this machine, which replicas cannot have: write a name, such as data:/data"),
        ("/srv:/data", "is a folder of this machine"),
        ("data:data", "write the whole path inside the container, such as /data"),
        ("data:/etc", "would hide what every program needs"),
        ("Data:/data", "is no name for a volume"),
        ("data:/data:2GB", "write 2Gi"),
        ("data:/data:rox", "'rox' is neither a size, such as 2Gi, nor one of the options ro, rw, rwx"),
        ("data:/data:claim=", "is neither"),
    ],
)
def test_what_is_no_volume_is_refused_with_one_that_is(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parsed(text)


def test_what_is_not_given_stays_as_it_is() -> None:
    before = {"path": "/old", "size": "5Gi", "readOnly": True}
    assert merged(before, {"path": "/data"}) == {"path": "/data", "size": "5Gi", "readOnly": True}
    assert merged(before, {"path": "/data", "readOnly": False}) == {"path": "/data", "size": "5Gi"}
    assert merged(before, {"path": "/data", "claim": "x"}) == {"path": "/data", "readOnly": True, "claim": "x"}
