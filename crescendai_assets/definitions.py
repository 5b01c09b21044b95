"""The one entry point: what Dagster loads."""

from crescendai_assets.defs.assembly import build_definitions

defs = build_definitions()
