"""What else happens to trainings: stopped and slow processes, signals, a second training in the same folder, a folder
that goes, a disk that fails."""

import os
import shutil
import signal
import time

from . import checks, processes
from .shim import struck
from .workshop import BOUND_SECONDS


def run(workshop, number, randomness):
    case = CASES[number % len(CASES)]
    with workshop.trial(f"o{number}") as trial:
        what, problems = case(trial, randomness)
        return {"what": what, "problems": problems}


def _begin(trial, layout, randomness, extra=()):
    """A training that has come to a random update."""
    training = trial.start(layout, extra=extra)
    trial.wait_for_update(training, randomness.randint(1, 5))
    time.sleep(randomness.random() * 0.1)
    return training


def _ends_and_is_exact(trial, layout, training):
    status = training.wait()
    if status != 0:
        return [f"status {status}: {training.errors()}"]
    reference = trial.workshop.reference(layout)["output"]
    return checks.differences(trial.output, reference) + checks.left_in_temporary(trial)


def _terminate(trial, randomness):
    """SIGTERM at a random moment, to the launcher where there is one: a checkpoint, status 0, and on from there."""
    layout = randomness.choice(trial.workshop.layouts)
    training = trial.start(layout)
    if checks.processes_of(layout) == 1:
        while not (trial.output / ".lock").exists() and not training.has_ended():  # until then it does not listen
            time.sleep(0.002)
    else:
        while not list(trial.temporary.iterdir()) and not training.has_ended():
            time.sleep(0.002)
        time.sleep(0.05)
    wait = randomness.random() * trial.workshop.reference(layout)["seconds"] * 0.8
    time.sleep(wait)
    processes.send(training.process.pid, signal.SIGTERM)
    status = training.wait()
    problems = [] if status == 0 else [f"status {status} after SIGTERM: {training.messages()[-200:]}"]
    if status == 0 and not checks.numbered(trial.output):
        problems.append("no checkpoint after SIGTERM")
    problems += checks.kept(trial, training.saved()) + checks.goes_on(trial, layout)
    return f"{layout}: SIGTERM {wait:.2f} s after the start", problems


def _stop_for_long(trial, randomness):
    layout, rank = randomness.choice(trial.workshop.several), randomness.randrange(2)
    training = _begin(trial, layout, randomness, ["--parallel.timeout", "5", "--train.max-updates", "100000"])
    stopped = processes.of_rank(trial.mark, rank)
    processes.send(stopped, signal.SIGSTOP)
    start = time.monotonic()
    status = training.wait(BOUND_SECONDS)
    seconds = time.monotonic() - start
    problems = []
    if status is None or status == 0:
        problems.append("the others do not end" if status is None else "status 0")
    if not any(f"rank {rank}" in error for error in training.errors()):
        problems.append(f"no message names rank {rank}: {training.errors()}")
    problems += checks.kept(trial, training.saved())
    return f"{layout}: rank {rank} stopped for good, all ended after {seconds:.1f} s (time-out: 5 s)", problems


def _stop_for_a_while(trial, randomness):
    layout, rank = randomness.choice(trial.workshop.several), randomness.randrange(2)
    training, seconds = _begin(trial, layout, randomness), 1 + 3 * randomness.random()
    stopped = processes.of_rank(trial.mark, rank)
    processes.send(stopped, signal.SIGSTOP)
    time.sleep(seconds)
    processes.send(stopped, signal.SIGCONT)
    return f"{layout}: rank {rank} stopped for {seconds:.1f} s", _ends_and_is_exact(trial, layout, training)


def _slow(trial, randomness):
    layout, rank = randomness.choice(trial.workshop.several), randomness.randrange(2)
    training = trial.start(layout)
    while (slow := processes.of_rank(trial.mark, rank)) is None and not training.has_ended():
        time.sleep(0.01)
    while processes.send(slow, signal.SIGSTOP):
        time.sleep(0.08)
        processes.send(slow, signal.SIGCONT)
        time.sleep(0.02)
    return f"{layout}: rank {rank} has a fifth of its time", _ends_and_is_exact(trial, layout, training)


def _second_training(trial, randomness):
    layout = randomness.choice(trial.workshop.layouts)
    training = _begin(trial, layout, randomness)
    if checks.processes_of(layout) > 1:
        processes.send(processes.of_rank(trial.mark, 0), signal.SIGSTOP)  # so that it does not end meanwhile
    else:
        processes.send(training.process.pid, signal.SIGSTOP)
    second = trial.start("one")
    try:
        status = second.process.wait(BOUND_SECONDS)
    finally:
        for process in processes.marked(trial.mark):
            processes.send(process, signal.SIGCONT)
    problems = [] if status == 1 else [f"the second: status {status}"]
    problems += checks.one_error(second, ["another training writes here"])
    return f"{layout}: a second training in its folder", problems + _ends_and_is_exact(trial, layout, training)


def _removed_folder(trial, randomness):
    layout = randomness.choice(trial.workshop.layouts)
    training = _begin(trial, layout, randomness, ["--train.max-updates", "100000"])
    doomed = trial.folder / "doomed"
    os.rename(trial.output, doomed)  # in one step: what is being written would make it come back
    start = time.monotonic()
    status = training.wait(BOUND_SECONDS)
    problems = [] if status not in (None, 0) else [f"status {status}"]
    problems += checks.one_error(training, ["start again", "No such file or directory"])
    problems += [f"left behind: {path.name}" for path in trial.output.glob("*")]
    shutil.rmtree(doomed, ignore_errors=True)
    return f"{layout}: its folder is removed, it ended after {time.monotonic() - start:.1f} s", problems


def _failing_disk(trial, randomness):
    """One write or sync fails (EIO): an error, and the same result afterwards."""
    layout = randomness.choice(trial.workshop.layouts)
    rank = randomness.randrange(checks.processes_of(layout))
    at = randomness.randint(1, trial.workshop.reference(layout)["ranks"][rank]["transfers"])
    rank_or_any = rank if checks.processes_of(layout) > 1 else None
    training = trial.start(layout, trial.workshop.shim.environment(trial, "eio", at, rank_or_any))
    status, where = training.wait(), struck(trial)
    problems = [] if where is None or status not in (None, 0) or "/.lock" in where else [f"status {status} at {where}"]
    if status not in (None, 0):
        problems += checks.one_error(training, [str(trial.output)])
    problems += checks.kept(trial, training.saved())
    return f"{layout}: rank {rank}, the disk fails at {where}", problems + checks.goes_on(trial, layout)


CASES = [_terminate, _failing_disk, _second_training, _removed_folder, _stop_for_a_while, _stop_for_long, _slow]


def summary(results):
    return {"others": len(results), "others_well": sum(not result["problems"] for result in results)}
