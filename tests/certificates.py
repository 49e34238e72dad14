"""Make certificates for tests that run an https server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.programs import require


def make_certificate(folder: Path, *hosts: str) -> tuple[Path, Path]:
    """Make a certificate that is its own authority. Return the files of the certificate and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ",".join(f"DNS:{host}" for host in hosts)
    subprocess.run(
        [
            *(require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
