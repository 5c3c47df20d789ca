"""What a part is made of."""

import dataclasses
import json
import sys
import typing

from .results import Outcome, failed

MAKE_DATA = ("import pathlib, sys; sys.path.insert(0, sys.argv[1]); import trainings; "
             "trainings.make_data(sys.argv[2], pathlib.Path(sys.argv[3]))")


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


def make_tiny_data(context):
    """The dataset of numbers in made-up languages that the tests train with: (folder, "") or (None, reason)."""
    folder = context.scratch / "tiny"
    folder.mkdir()
    done = context.call(sys.executable, "-c", MAKE_DATA, context.kit / "scripts", context.program, folder, limit=60)
    return (folder / "data", "") if done.succeeded() else (None, done.reason())


def records(output, kind):
    """The records of one type in the metrics of a run, as far as it came."""
    try:
        lines = (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [record for record in map(json.loads, lines) if record["type"] == kind]


# A model that trains in a moment, without validation and files beside its metrics.
TINY_MODEL = [
    "--model.hidden", "64", "--model.ffn", "128", "--model.heads", "4", "--model.encoder-layers", "2",
    "--model.decoder-layers", "2", "--model.moe.experts", "4", "--model.moe.every", "2", "--data.max-length", "64",
    "--data.bucket-examples", "256", "--train.max-tokens", "240", "--train.log-freq", "1", "--train.save-freq", "0",
    "--train.valid-freq", "0", "--train.valid-examples", "1", "--train.valid-beam-size", "0", "--train.keep-best",
    "loss", "--no-tensorboard", "--train.threads", "1", "--optimizer.warmup-updates", "2",
    "--optimizer.learning-rate", "0.001",
]
