"""What a user wants done once a fold is complete, such as sending it away: a function by its import path."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport

Hook = Callable[[FitReport, CheckpointFiles], None]


def call_hook(path: str, report: FitReport, files: CheckpointFiles) -> None:
    """Call it with the report and the checkpoint's files, also where the fold was trained before; nothing for "".

    Args:
        path: As `package.module:function`.
        report: Of the fold.
        files: Of the checkpoint.

    Raises:
        SetupError: There is no such function, or it failed. The checkpoint is finished all the same.
    """
    if path:
        function = _found(path)
        try:
            function(report, files)
        except Exception as error:  # anybody's code
            raise SetupError(
                f"on_fold_complete {path} failed: {error}. {files.folder} is finished; mend it and run again"
            ) from error


def _found(path: str) -> Hook:
    module, colon, name = path.partition(":")
    try:
        function: Hook = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SetupError(f"on_fold_complete {path!r} is no package.module:function ({error})") from error
    if not colon or not callable(function):
        raise SetupError(f"on_fold_complete {path!r} is no package.module:function")
    return function
