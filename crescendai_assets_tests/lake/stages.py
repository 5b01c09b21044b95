"""What the tests of journal and stage run in processes of their own: a writer that commits and then waits."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from crescendai_assets.lake.journal import open_journal
from crescendai_assets.lake.layout import open_lake
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets_tests.builders import embedding_row


def hold(root: Path) -> None:
    """Take the lock, commit one recording, say so, and wait to be killed."""
    files = open_lake(root).tier("maestro").partition("2004").stage("embeddings")
    with open_journal(files, EMBEDDINGS, "embeddings") as journal:
        journal.commit("held", [embedding_row("held")])
        print("committed", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    hold(Path(sys.argv[1]))
