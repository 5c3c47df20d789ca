"""SIGKILL of a training, or of one process of several, at any moment: the same command must go on as if nothing had
been."""

import os
import re
import shutil
import signal
import time

from . import checks, processes
from .shim import struck
from .workshop import BOUND_SECONDS

MOMENTS = ["call", "time", "writing", "resuming"]


def run(workshop, number, randomness):
    layout = randomness.choice(workshop.alone if number % 5 < 2 else workshop.several)
    moment = MOMENTS[number % len(MOMENTS)]
    with workshop.trial(f"k{number}") as trial:
        what, problems = [], []
        for step in (["any", "resuming"] if moment == "resuming" else [moment]):
            now = randomness.choice(MOMENTS[:3]) if step == "any" else step
            described, found = _kill(trial, layout, now, randomness)
            what.append(described)
            problems += found
        problems += checks.goes_on(trial, layout)
        return {"what": f"{layout}: {', then '.join(what)}", "problems": problems}


def _kill(trial, layout, moment, randomness):
    """Starts the training and kills it: what was done, and what was wrong after it."""
    reference = trial.workshop.reference(layout)
    several = checks.processes_of(layout) > 1
    rank = randomness.randrange(checks.processes_of(layout))
    name = f"rank {rank}" if several else "the process"
    if moment in ("call", "resuming"):
        (trial.folder / "fault.log").unlink(missing_ok=True)
        # Most calls write a piece of a tensor, so half of the trials choose among the others.
        action, counted = randomness.choice([("kill", "calls"), ("step", "steps")])
        calls = reference["ranks"][rank][counted]
        at = randomness.randint(1, calls if moment == "call" else max(1, min(12, calls // 4)))
        training = trial.start(layout, trial.workshop.shim.environment(trial, action, at, rank if several else None))
        status = training.wait()
        where = struck(trial)
        what = f"{name} before {where or 'its end'} ({'resuming, ' * (moment == 'resuming')}{action} {at})"
        if where is None:  # it had nothing left to do
            return what, [] if status == 0 else [f"status {status}"]
    else:
        victims = [name] * 6 + ["mpirun", "launcher"] if several else [name]
        name = randomness.choice(victims)
        training, what = _kill_from_outside(trial, layout, moment, name, rank if several else None, randomness)
        status = training.wait(BOUND_SECONDS)
        if status == 0 and not checks.differences(trial.output, reference["output"]):
            return f"{what} (it had ended)", []
    problems = []
    if status is None:
        problems.append(f"processes were left {BOUND_SECONDS} s after the kill")
    elif status == 0:
        problems.append("status 0 after a kill")
    if name.startswith("rank") and not any(name in error for error in training.errors()):
        problems.append(f"no message names {name}: {training.errors()}")
    if name == "launcher":  # nobody is left who could remove its folder; the next launch need not know of it
        _remove_launch_folders(trial)
    return what, problems + checks.left_in_temporary(trial) + checks.kept(trial, training.saved())


def _kill_from_outside(trial, layout, moment, name, rank, randomness):
    seconds = trial.workshop.reference(layout)["seconds"]
    while True:
        training = trial.start(layout)
        if moment == "writing":
            _wait_for_writing(trial, training, randomness.randint(1, 5))
            wait = randomness.random() * 0.01
        else:
            wait = randomness.random() * seconds
        time.sleep(wait)
        if name == "mpirun":
            victim = processes.named(trial.mark, "mpirun")
        elif rank is None or name == "launcher":
            victim = training.process.pid
        else:
            victim = processes.of_rank(trial.mark, rank)
        if not training.has_ended() and victim is not None and processes.send(victim, signal.SIGKILL):
            return training, f"{name} {wait:.3f} s after {'a checkpoint began' if moment == 'writing' else 'the start'}"
        if training.has_ended():  # too late
            shutil.rmtree(trial.output, ignore_errors=True)
        else:  # too early: no such process yet
            training.kill_all()
            _remove_launch_folders(trial)
        seconds *= 0.9 if training.process.returncode == 0 else 1.1


def _wait_for_writing(trial, training, times):
    """Until a temporary folder of a checkpoint has appeared for the n-th time."""
    seen = set()
    while len(seen) < times and not training.has_ended():
        try:
            seen |= {name for name in os.listdir(trial.output) if re.match(r"checkpoint-\d+\.partial-", name)}
        except OSError:
            pass
        time.sleep(0.0005)


def _remove_launch_folders(trial):
    for path in trial.temporary.glob("polymoe-launch-*"):
        shutil.rmtree(path, ignore_errors=True)


def summary(results):
    return {"kills": len(results), "kills_exact": sum(not result["problems"] for result in results)}
