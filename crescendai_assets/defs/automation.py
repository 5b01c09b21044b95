"""When assets materialize by themselves: local work when its inputs changed, network work once switched on, GPU never.

The conditions are Dagster's; what they ask of the lake (is there a source, is anything there) is read from files.
"""

import dagster as dg

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.sources.maestro_sources import maestro_source


class ListedByMaestro(dg.AutomationCondition[dg.AssetKey]):
    """The year is in the MAESTRO source that is set; no year is, when none is set or it cannot be read."""

    @property
    def name(self) -> str:
        """As shown in the UI."""
        return "listed by the MAESTRO source"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Keep the candidates that the source lists."""
        try:
            source = maestro_source()
            years = {str(entry.year) for entry in source.entries()} if source else set()
        except (SetupError, RecordingError) as error:
            context.log.warning(f"the MAESTRO source cannot be read: {error}")
            years = set()
        listed = context.candidate_subset.compute_intersection_with_partition_keys(years)
        return dg.AutomationResult(context, listed)


_missing = dg.AutomationCondition.missing()
# a change that arrives together with the answer to an earlier one would be lost, so dependencies finish first
_settled = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.any_deps_match(
    dg.AutomationCondition.will_be_requested()
)
_idle = ~dg.AutomationCondition.in_progress() & _settled
# `eager()` would run again on unchanged inputs
_changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())

LISTED = _missing.since_last_handled() & ListedByMaestro() & _idle
"""For assets that list a source: what it has and was never materialized. A root without a source requests nothing."""

LISTED_ONCE = _missing.since_last_handled() & _idle
"""For assets whose partitions are registered from the catalogue: what was never materialized. Later changes of a
channel are asked for by a person, or by a schedule of the user's own."""

PARTITIONED = (_changed | _missing).since_last_handled() & ~dg.AutomationCondition.any_deps_missing() & _idle
"""For partitioned assets: `on_missing()` would never fill keys older than its first tick."""

COMPILED = (_changed | (_missing & dg.AutomationCondition.any_deps_match(~_missing))).since_last_handled() & _idle
"""For compiled assets: they take the partitions that exist and do not wait for the others."""
