"""The executor that every run uses, chosen in one place by the environment.

`pool="gpu"` on a step limits how many run at once to the devices there are; the executor only says where steps run.
"""

import os

import dagster as dg

EXECUTORS = ("in_process", "multiprocess")


def gpu_executor() -> dg.ExecutorDefinition:
    """The executor of embedding and training jobs, and the definitions' default.

    `$CRESCENDAI_EXECUTOR` is `in_process` (default; a step costs .1 s) or `multiprocess` (1.3 s; steps of one run side
    by side). A cluster engine becomes one more branch here; nothing else has to change.

    Raises:
        dagster.DagsterInvalidDefinitionError: The variable names no executor.
    """
    name = os.environ.get("CRESCENDAI_EXECUTOR") or "in_process"
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    raise dg.DagsterInvalidDefinitionError(f"CRESCENDAI_EXECUTOR is {name!r}; it is one of {', '.join(EXECUTORS)}")
