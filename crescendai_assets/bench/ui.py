"""The page of an asset with many partitions: what the UI asks the webserver for it, with 2,000 channels against 20."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios, seconds

_REGISTER = """
import sys
import dagster as dg
with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("channel", [f"channel-{i:04}" for i in range(int(sys.argv[1]))])
"""

_HEALTH = """
query PartitionHealthQuery($assetKey: AssetKeyInput!) {
  assetNodeOrError(assetKey: $assetKey) { ... on AssetNode {
    partitionKeysByDimension { name partitionKeys }
    assetPartitionStatuses { ... on DefaultPartitionStatuses {
      materializedPartitions failedPartitions unmaterializedPartitions materializingPartitions } }
    partitionStats { numMaterialized numPartitions numFailed }
  } }
}
"""

_ASSET = {"path": ["youtube", "recordings"]}


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Time of the queries behind the page, with many channels over the time with few."""
    counts = (20, 100) if quick else (20, 2000)
    with _webserver(folder / "few", counts[0]) as few, _webserver(folder / "many", counts[1]) as many:
        runs = {"few": lambda: seconds(_ask, few), "many": lambda: seconds(_ask, many)}
        interleaved(runs, 2)  # first answers load the definitions
        taken = interleaved(runs, 3 if quick else 10)
    ratio, facts = pair_ratios(taken["many"], taken["few"])
    yield Figure(
        "ui.partitions",
        f"what the page of youtube/recordings asks of the webserver, with {counts[1]:,} channels against {counts[0]}; "
        "the browser's own part is left out",
        ratio,
        Target("at most", 2),
        facts={**facts, "channels": counts},
    )


def _ask(address: str) -> None:
    body = json.dumps({"query": _HEALTH, "variables": {"assetKey": _ASSET}}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    if "errors" in answer or not answer["data"]["assetNodeOrError"]["partitionStats"]["numPartitions"]:
        raise RuntimeError(f"the webserver answers: {json.dumps(answer)[:300]}")


@contextmanager
def _webserver(home: Path, channels: int) -> Iterator[str]:
    """A webserver over an instance of its own with so many channels; its address."""
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environ = {**os.environ, "DAGSTER_HOME": str(home), "CRESCENDAI_DATA": str(home / "data")}
    subprocess.run([sys.executable, "-W", "ignore", "-c", _REGISTER, str(channels)], env=environ, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command: Sequence[str] = (
        sys.executable, "-W", "ignore", "-m", "dagster_webserver",
        "-m", "crescendai_assets.definitions", "-h", "127.0.0.1", "-p", str(port),
    )  # fmt: skip
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environ, stdout=quiet, stderr=quiet) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_up(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_up(address: str, process: subprocess.Popen[bytes], patience: float = 120) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until and process.poll() is None:
        try:
            _ask(address)
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"the webserver did not come up (exit status {process.poll()})")
