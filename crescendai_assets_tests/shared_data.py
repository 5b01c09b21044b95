"""Where the real data lies, and the marker for tests that need it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
DATA = SHARED / "data"

needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason="../shared is not here")
