"""The two automation sensors: local work runs by itself, network work waits until a person switches it on.

With MAESTRO in an archive, `maestro/metadata` reads its catalogue (some 0.4 MB); audio is fetched by `network_work`
alone.

GPU work and publishing are in neither. The sensor that registers partition keys is in `registration`.
"""

import warnings

import dagster as dg

NETWORK = dg.AssetSelection.assets("maestro/recordings", "competition/recordings", "youtube/recordings")
"""Assets that may reach the web."""

EVERY = 30

local_work = dg.AutomationConditionSensorDefinition(
    "local_work",
    target=dg.AssetSelection.all() - NETWORK,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=EVERY,
    description="Cuts, compiles and maps what changed. Never embeds: that is started by a person.",
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)
    network_work = dg.AutomationConditionSensorDefinition(
        "network_work",
        target=NETWORK,
        use_user_code_server=True,  # its condition asks the source which years there are; that option is in beta
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=EVERY,
        description="Lists and fetches recordings. Switch it on when downloads may start by themselves.",
    )
