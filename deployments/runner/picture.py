"""What the pictures of all engines have in common: events taken over, diagnostics, a version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

MAX_DIAGNOSTICS = 100
MAX_TEXT = 4_000


class Picture:
    """The state of one step as its events tell it; `version` grows with every change.

    Attributes without an underscore are what is stored. `_TAKES` says what takes over which event.
    """

    _TAKES: ClassVar[Mapping[str, Callable[[Any, dict], None]]] = {}

    def __init__(self) -> None:
        self.version = 0
        self.diagnostics: list[dict] = []
        self.more_diagnostics = 0

    def update(self, events: Iterable[dict]) -> None:
        """Take over the events of HumanLog.feed; those of no interest here are passed over."""
        for event in events:
            take = self._TAKES.get(event["type"])
            if take is not None:
                self.version += 1
                take(self, event)

    def to_dict(self) -> dict:
        """Return a picture of this moment for a JSON column."""
        kept = {name: value for name, value in vars(self).items() if name[0] != "_"}
        return {**kept, "diagnostics": list(self.diagnostics)}

    def _diagnose(self, event: dict) -> None:
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            self.more_diagnostics += 1
            return
        kept = {name: text[:MAX_TEXT] for name, text in event.items() if name != "type"}
        self.diagnostics.append(kept)
