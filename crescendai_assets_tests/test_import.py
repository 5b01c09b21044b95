"""What importing the package costs: Dagster loads the definitions often, so nothing heavy may come with them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch", "torchaudio", "muq", "transformers", "pandas", "lightning", "pedalboard", "av", "soundfile", "soxr",
    "matplotlib", "yt_dlp", "librosa", "scipy", "numpy",
)  # fmt: skip


@pytest.mark.parametrize("module", ["crescendai_assets", "crescendai_assets.definitions", "crescendai_assets.cli"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(' '.join(sorted(set({HEAVY!r}) & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_importing_the_package_does_not_load_dagster():
    code = "import sys, crescendai_assets; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
