"""The file layer that fails: builds shim.c, and says what the environment must hold for it to act."""

import pathlib
import subprocess
import sys


class Shim:
    def __init__(self, folder):
        self.library = folder / "shim.so"
        source = pathlib.Path(__file__).resolve().parent / "shim.c"
        done = subprocess.run(["cc", "-O1", "-shared", "-fPIC", source, "-o", self.library, "-ldl"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"cannot build {source}:\n{done.stdout}")

    def environment(self, trial, action, at=0, rank=None):
        """For a training of `trial`: `action` as shim.c has it, in one process, or in any where there is one alone."""
        settings = {"LD_PRELOAD": str(self.library), "FAULT_FOLDER": str(trial.output), "FAULT_ACTION": action,
                    "FAULT_AT": str(at), "FAULT_LOG": str(trial.folder / "fault.log")}
        return settings if rank is None else {**settings, "FAULT_RANK": str(rank)}


def struck(trial):
    """Where the fault of this trial struck; None: it did not, the training had ended before."""
    path = trial.folder / "fault.log"
    return path.read_text(encoding="utf-8").splitlines()[-1] if path.exists() else None


def counted(trial):
    """Calls, those that do not write, writes and syncs, and bytes written, of a process that did nothing but count."""
    word, *numbers = (struck(trial) or "nothing").split()
    if word != "counted":
        sys.exit("the file layer under test saw no calls: is the program linked statically?")
    return dict(zip(("calls", "steps", "transfers", "bytes"), map(int, numbers)))
