"""The signals that end the demonstration: all of them as Ctrl-C does, so that it cleans up."""

import signal
from types import FrameType

__all__ = ["EndingSignals"]

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndingSignals:
    """While it is entered, TERM and HUP raise KeyboardInterrupt where Ctrl-C would."""

    def __init__(self) -> None:
        self.number = int(signal.SIGINT)
        """The signal that came last."""

    def __enter__(self) -> "EndingSignals":
        self._before = [signal.getsignal(one) for one in _ENDS]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in _ENDS[1:]:
            signal.signal(one, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in zip(_ENDS, self._before, strict=True):
            signal.signal(one, handler)

    def ignore_more(self) -> None:
        """Ignore those that come from now on."""
        for one in _ENDS:
            signal.signal(one, signal.SIG_IGN)

    def _end(self, number: int, _: FrameType | None) -> None:
        self.number = number
        signal.raise_signal(signal.SIGINT)  # which the event loop waits for
