"""Who is alive: whoever's beat goes on changing.

No clock of any machine is compared with another's, and no wall clock is read: a clock that jumps
kills nobody and keeps nobody alive. Knows no Redis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LOOK_S = 0.5
"""Seconds between two beats, and between two looks at them."""
LOST_AFTER_S = 5.0
FORGOTTEN_AFTER_S = 60.0


class Pulse:
    """Remembers each one's last beat, and for how long it has been looked at in vain.

    Time in which nobody could look, such as while Redis did not answer, counts as one look.
    """

    def __init__(self) -> None:
        self._beats: dict[str, object] = {}
        self._silence_s: dict[str, float] = {}
        self._looked_at: float | None = None

    def look(self, beats: Mapping[str, object], now: float, expected: Iterable[str] = ()) -> None:
        """Take in what is seen at `now` (monotonic seconds).

        `expected` are those one counts on without having seen a beat of theirs.
        """
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, LOOK_S)
        self._looked_at = now
        for name in {*self._silence_s, *beats, *expected}:
            if name in beats and beats[name] != self._beats.get(name):
                self._beats[name] = beats[name]
                self._silence_s[name] = 0.0
            else:
                self._silence_s[name] = self._silence_s.get(name, 0.0) + passed

    def is_lost(self, name: str) -> bool:
        """True also of one never seen nor expected."""
        return self._silence_s.get(name, LOST_AFTER_S) >= LOST_AFTER_S

    def forget(self) -> list[str]:
        """Drop those silent for so long that nobody counts on them; their names."""
        gone = [name for name, silence in self._silence_s.items() if silence >= FORGOTTEN_AFTER_S]
        for name in gone:
            del self._silence_s[name]
            self._beats.pop(name, None)
        return gone
