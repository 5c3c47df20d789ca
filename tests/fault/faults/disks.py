"""Full disks: the training ends with one clear line, keeps the last good checkpoint, leaves nothing half-written, and
goes on exactly when there is space again."""

import resource
import subprocess

from . import checks
from .shim import struck

KINDS = ["after so many bytes", "after so many bytes", "a small disk", "a limit on files"]
REMEDIES = ["is the disk full?", "free space", "failing"]


def run(workshop, number, randomness):
    how = KINDS[number % len(KINDS)]
    # A limit holds for Open MPI's own files too, and where they pass it, its processes wait for each other forever.
    layout = randomness.choice(workshop.alone if how == "a limit on files" else workshop.layouts)
    if how == "a small disk" and not _may_mount(workshop.folder):
        return {"what": how, "problems": [], "skipped": "mounting is not allowed here"}
    with workshop.trial(f"d{number}") as trial:
        run_kind = {KINDS[0]: _bytes, "a small disk": _small_disk, "a limit on files": _limit}[how]
        described, problems = run_kind(trial, layout, randomness)
        return {"what": f"{layout}: {described}", "problems": problems}


def _may_mount(folder):
    place = folder / "mount"
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], stderr=subprocess.DEVNULL).returncode != 0:
        return False
    subprocess.run(["umount", place], check=True)
    return True


def _must_end_well(trial, training):
    status = training.wait()
    if status is None:
        return ["the training does not end"]
    if status <= 0:
        return [f"status {status}"]
    problems = checks.one_error(training, REMEDIES) + checks.kept(trial, training.saved())
    left = [path.name for path in trial.output.glob("*") if ".partial-" in path.name or path.name == ".lock"]
    return problems + [f"left behind: {name}" for name in left] + checks.left_in_temporary(trial)


def _bytes(trial, layout, randomness):
    """In one process of them, after a random number of bytes."""
    several = checks.processes_of(layout) > 1
    rank = randomness.randrange(checks.processes_of(layout))
    written = trial.workshop.reference(layout)["ranks"][rank]["bytes"]
    at = int(written * randomness.random())
    training = trial.start(layout, trial.workshop.shim.environment(trial, "full", at, rank if several else None))
    problems = _must_end_well(trial, training)
    return (f"full for rank {rank} after {at} bytes, at {struck(trial)}", problems + checks.goes_on(trial, layout))


def _small_disk(trial, layout, randomness):
    """A file system in memory that is too small, and grows afterwards."""
    size = randomness.randrange(300, 2300)
    trial.output.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", trial.output], check=True)
    try:
        problems = _must_end_well(trial, trial.start(layout))
        subprocess.run(["mount", "-o", "remount,size=1g", trial.output], check=True)
        return f"a disk of {size} kB", problems + checks.goes_on(trial, layout)
    finally:
        for training in trial.started:
            training.kill_all()
        subprocess.run(["umount", "-l", trial.output], check=False)


def _limit(trial, layout, randomness):
    """No file may be larger (ulimit -f)."""
    limit = randomness.randrange(1000, 400000)

    def set_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    training = trial.start(layout, before=set_limit)
    problems = _must_end_well(trial, training)
    return f"no file over {limit} bytes", problems + checks.goes_on(trial, layout)


def summary(results):
    return {"full_disks": len(results), "full_disks_exact": sum(not result["problems"] for result in results)}
