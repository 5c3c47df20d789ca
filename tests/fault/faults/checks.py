"""What must be true after a fault: nothing lost, nothing left behind, and the same result as without it."""

import json
import pathlib
import re

from . import processes
from .workshop import LAYOUTS, UPDATES

VARYING = {"time", "seconds", "cpu_seconds", "warmup_seconds", "tokens_per_second", "memory", "communication", "communication_share",
           "config"}


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in VARYING}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def _documents(path):
    return [_without_times(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def numbered(output):
    """Updates of the checkpoints, oldest first."""
    names = [re.fullmatch(r"checkpoint-(\d+)", path.name) for path in pathlib.Path(output).glob("checkpoint-*")]
    return sorted(int(name[1]) for name in names if name)


def checkpoint(output, update):
    return pathlib.Path(output) / f"checkpoint-{update:07}"


def differences(output, reference):
    """How a finished run differs from an uninterrupted one, but for times."""
    last = checkpoint(output, UPDATES).name
    older = {checkpoint(output, update).name for update in numbered(output) + numbered(reference)} - {last}

    def names(folder):
        every = (path.relative_to(folder) for path in folder.rglob("*"))
        return {str(name) for name in every if name.parts[0] not in older}

    problems = [f"left behind: {name}" for name in sorted(names(output) - names(reference))]
    problems += [f"missing: {name}" for name in sorted(names(reference) - names(output))]
    for name in sorted(names(output) & names(reference)):
        ours, theirs = output / name, reference / name
        if ours.suffix in (".json", ".jsonl"):
            same = _documents(ours) == _documents(theirs) if "index" not in name else _same_index(ours, theirs)
        else:
            same = ours.is_dir() or ours.suffix in (".html", ".yaml") or ours.read_bytes() == theirs.read_bytes()
        if not same:
            problems.append(f"not as uninterrupted: {name}")
    return problems


def _same_index(ours, theirs):
    """The index's own checksum covers the times in it."""
    first, second = (_documents(path)[0] for path in (ours, theirs))
    return {**first, "crc32": ""} == {**second, "crc32": ""}


def left_in_temporary(trial):
    return [f"left behind: {path.name}" for path in trial.temporary.iterdir()]


def kept(trial, saved):
    """Whether what the training said it had saved is there and whole."""
    newest = max(numbered(trial.output), default=0)
    if newest < saved:
        return [f"lost: the checkpoint of update {saved} was saved, the newest is {newest}"]
    if newest == 0:
        return []
    done = trial.call("checkpoint", "verify", checkpoint(trial.output, newest))
    return [] if done.returncode == 0 else [f"lost: the newest checkpoint is damaged: {done.stderr.strip()}"]


def goes_on(trial, layout):
    """Runs the same command to its end: it must end well, as if nothing had happened, and leave nothing."""
    training = trial.start(layout)
    status = training.wait()
    if status != 0:
        last = training.messages().splitlines()[-1:]
        return [f"lost: the training does not go on: status {status}: {' '.join(last)}"]
    problems = differences(trial.output, trial.workshop.reference(layout)["output"])
    return problems + left_in_temporary(trial)


def one_error(training, about):
    """Exactly one line that says what is wrong, with a place or a remedy: one of the words `about`."""
    errors = training.errors()
    if len(errors) != 1:
        return [f"{len(errors)} error messages: {errors}"]
    return [] if any(word in errors[0] for word in about) else [f"a message without a remedy: {errors[0]}"]


def nobody_left(trial):
    left = processes.wait_for_none(trial.mark, 5)
    return [f"{len(left)} processes are left: {[processes.name_of(process) for process in left]}"] if left else []


def processes_of(layout):
    return LAYOUTS[layout][0]
