"""Partitions: coarse keys, tens to a few hundred. Recordings and segments are rows inside one."""

import dagster as dg

from crescendai_assets.sources.maestro_catalogue import YEARS

MAESTRO_YEARS = dg.StaticPartitionsDefinition([str(year) for year in YEARS])

ONE_RUN_A_PARTITION = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
"""A range run would evaluate a check once for all keys, and give all keys one data version."""
