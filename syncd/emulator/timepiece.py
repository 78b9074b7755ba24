"""The present as the emulator has it: the real one until somebody moves it."""

from collections.abc import Callable
from datetime import datetime, timedelta


class Timepiece:
    """A clock that can be set, put forward and stopped. `real` returns the true present (aware)."""

    def __init__(self, real: Callable[[], datetime]) -> None:
        self._real = real
        self._shift = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        return self._real() + self._shift if self._stopped_at is None else self._stopped_at

    @property
    def is_running(self) -> bool:
        return self._stopped_at is None

    @property
    def ahead_s(self) -> float:
        """How far it is ahead of the true present, in seconds; negative if it is behind."""
        return (self.now() - self._real()).total_seconds()

    def set(self, at: datetime) -> None:
        """Make it `at` (aware) now. Raises OverflowError if there is no such time."""
        self._shift = at - self._real()
        if self._stopped_at is not None:
            self._stopped_at = at

    def advance(self, seconds: float) -> None:
        """Put it forward, or back if negative. Raises OverflowError if there is no such time."""
        self.set(self.now() + timedelta(seconds=seconds))

    def stop(self) -> None:
        """Stand still from now on; `set` and `advance` still move it."""
        self._stopped_at = self.now()

    def run(self) -> None:
        """Go on from where it stands."""
        if self._stopped_at is not None:
            at, self._stopped_at = self._stopped_at, None
            self.set(at)

    def reset(self) -> None:
        """The true present again."""
        self._shift, self._stopped_at = timedelta(), None
