"""Runs in processes of their own, for tests that kill them, and what they leave.

What runs is a module of these tests (`process`, `clips_process`, `web_process`, `corpus_process`).
"""

from __future__ import annotations

import hashlib
import signal
import time
from pathlib import Path

from crescendai_assets_tests.nursery import Module


def start(module: str, *arguments: Path | str) -> Module:
    """Run a module of these tests; its lines can be read while it runs."""
    return Module(module, *map(str, arguments))


def finish(process: Module) -> str:
    """Wait for a run that must succeed; what it said."""
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def kill_after(process: Module, line: str, seconds: float) -> None:
    """Kill -9 so many seconds after a line that begins so."""
    for said in process.stdout:
        if said.startswith(line):
            break
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def results_of(lake: Path) -> dict[str, str]:
    """Hash of every result, by name; journals, notes of speed and the day's count of requests are no results."""
    files = (p for p in lake.rglob("*") if p.is_file() and p.parent.name != "journal" and not p.name.startswith("."))
    return {
        str(p.relative_to(lake)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.name != "quota.jsonl"
    }
