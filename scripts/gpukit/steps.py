"""What a part is made of."""

import dataclasses
import typing

from .results import Outcome, failed


@dataclasses.dataclass
class Step:
    name: str
    action: typing.Callable  # takes the Context of run.py, returns an Outcome
    limit: float = 1e9  # seconds; the part's share of the time is a limit too
    least: float = 2.0  # it is not begun with fewer seconds left
    needs_gpu: bool = False


@dataclasses.dataclass
class Part:
    name: str
    about: str
    steps: typing.Callable  # takes the Context, returns a list of Step
    share: float  # of the time, against the other parts
    log: str  # parts may share a log: 8 files come back from a run
    workers: typing.Callable = lambda context: 1  # steps that run at a time


def outcome(done, **numbers):
    """Of a command that only has to succeed."""
    return Outcome(passed=1, numbers=numbers) if done.succeeded() else failed(done.reason(), **numbers)
