"""Partitions: coarse keys, tens to a few hundred. Recordings and segments are rows inside one."""

import dagster as dg

from crescendai_assets.sources.maestro_catalogue import YEARS

MAESTRO_YEARS = dg.StaticPartitionsDefinition([str(year) for year in YEARS])

EDITIONS = dg.DynamicPartitionsDefinition(name="competition")
"""Competition editions, as `chopin2021`; registered from the catalogue by the sensor `registered_partitions`."""

CHANNELS = dg.DynamicPartitionsDefinition(name="channel")
"""Channels, by the slug of their name; registered likewise."""

MIDI_SOURCES = dg.DynamicPartitionsDefinition(name="midi_source")
"""Sources of MIDI: four that are known, and every folder that the settings name; registered likewise."""

FOLDS = dg.DynamicPartitionsDefinition(name="fold")
"""Folds of the rated set, as `passage-s0f0` or `work-D960`; registered from `folds.json` likewise."""

# No asset has a backfill policy, which is Dagster's way of saying one run a partition, each with a partition key.
# `BackfillPolicy.multi_run(1)` starts range runs of one key instead, and checks in those are told no partition.
