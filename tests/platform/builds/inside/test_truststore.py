import shutil
import subprocess
from pathlib import Path

import pytest

from pilothouse.platform.builds.inside.truststore import PASSWORD, jks
from pilothouse.wire.pki import CertificateAuthority


@pytest.mark.skipif(shutil.which("keytool") is None, reason="there is no Java here")
def test_java_reads_the_trust_store(tmp_path: Path) -> None:
    first, second = (CertificateAuthority.create(tmp_path / name).certificate.decode() for name in "ab")
    path = tmp_path / "java.jks"
    path.write_bytes(jks(f"# a comment\n{first}{second}"))
    listed = subprocess.run(["keytool", "-list", "-keystore", path, "-storepass", PASSWORD], capture_output=True, text=True, check=True)
    assert "Your keystore contains 2 entries" in listed.stdout
    assert listed.stdout.count("trustedCertEntry") == 2


def test_a_bundle_without_certificates_is_an_empty_trust_store() -> None:
    assert jks("nothing")[:12] == b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\0"
