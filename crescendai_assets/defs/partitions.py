"""Partitions: coarse keys, tens to a few hundred. Recordings and segments are rows inside one."""

import dagster as dg

from crescendai_assets.sources.maestro_catalogue import YEARS

MAESTRO_YEARS = dg.StaticPartitionsDefinition([str(year) for year in YEARS])

# No asset has a backfill policy, which is Dagster's way of saying one run a partition, each with a partition key.
# `BackfillPolicy.multi_run(1)` starts range runs of one key instead, and checks in those are told no partition.
