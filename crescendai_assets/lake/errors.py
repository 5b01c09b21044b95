"""The two kinds of bad news, for every layer above.

`RecordingError` costs one recording: it becomes a row of the failure ledger and the run goes on.
`SetupError` costs the run: nothing could be done right until a person changes something.
Anything else that is raised is a bug and is left to show itself.
"""

from __future__ import annotations

from typing import Literal

ErrorClass = Literal["permanent", "retry", "needs_user", "blocked"]
"""How a failed recording is tried again.

`permanent`: only when its source or the parameters change. `retry`: by the next runs, with back-off.
`needs_user`: when a person asks for it. `blocked`: by the next run; the rest of the partition stays untried.
"""


class RecordingError(Exception):
    """One recording cannot be used; the message names the file, the fault and the cure."""

    def __init__(self, message: str, error_class: ErrorClass = "permanent") -> None:
        """Keep the class beside the message, so that the ledger knows when to try again."""
        super().__init__(message)
        self.error_class: ErrorClass = error_class

    def __reduce__(self) -> tuple[type[RecordingError], tuple[str, ErrorClass]]:
        """Survive the trip between processes with the class intact."""
        return type(self), (str(self), self.error_class)


class SetupError(Exception):
    """The run cannot start or go on; the message says what to change."""
