"""The PSD2 path by curl and openssl: nothing of it depends on Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bunqflask.sandbox.server import Served

SCRIPT = Path(__file__).parent / "psd2.sh"


def test_psd2_party_needs_only_curl_and_openssl(bank: Served, tmp_path: Path) -> None:
    if not (shutil.which("curl") and shutil.which("openssl")):
        if os.environ.get("CI") == "true":
            pytest.fail("curl and openssl must be there")
        pytest.skip("curl or openssl is not installed")
    done = subprocess.run(["sh", str(SCRIPT), bank.origin, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Shell AISP PISP ")
