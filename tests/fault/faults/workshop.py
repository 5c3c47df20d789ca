"""Tiny trainings to try faults on: data, layouts, runs to compare with, and trials in folders of their own."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from trainings import make_data  # noqa: E402

from . import processes, shim  # noqa: E402

BOUND_SECONDS = 60  # for processes to end that lost another one; they take one or two on a machine that is not busy
PATIENCE_SECONDS = 1800  # for anything else; a busy machine can take minutes over what takes seconds
UPDATES = 12
COMMON = [
    "--model.hidden", "32", "--model.ffn", "64", "--model.heads", "4", "--model.encoder-layers", "2",
    "--model.decoder-layers", "2", "--model.moe.experts", "4", "--data.max-length", "32", "--data.bucket-examples",
    "256", "--train.max-tokens", "400", "--train.micro-batches", "4", "--train.log-freq", "1", "--train.save-freq", "2",
    "--train.keep-checkpoints", "2", "--train.valid-freq", "0", "--train.valid-examples", "1",
    "--train.valid-beam-size", "0", "--train.keep-best", "loss", "--no-tensorboard", "--train.threads", "1",
    "--optimizer.warmup-updates", "10",
]
FILES = ["--offload.optimizer", "file", "--offload.gradients", "file", "--offload.parameters", "file"]
# name: (processes, options)
LAYOUTS = {
    "one": (1, []),
    "one, files": (1, FILES[:2]),
    "two, data": (2, []),
    "two, experts": (2, ["--parallel.expert", "2"]),
    "two, zero 2": (2, ["--parallel.zero-stage", "2", "--train.valid-freq", "4"]),
    "two, model": (2, ["--parallel.tensor", "2", "--parallel.recompute"]),
    "two, zero 3, files": (2, ["--parallel.zero-stage", "3", *FILES]),
}


class Training:
    """A training under way."""

    def __init__(self, mark, process, log):
        self.mark, self.process, self.log = mark, process, log

    def messages(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def errors(self):
        return [line for line in self.messages().splitlines() if line.startswith("polymoe: error: ")]

    def saved(self):
        """The update of the last checkpoint that it said it had saved; 0: none."""
        return max(map(int, re.findall(r" saved \S*checkpoint-(\d+)$", self.messages(), re.M)), default=0)

    def has_ended(self):
        return self.process.poll() is not None

    def wait(self, seconds=PATIENCE_SECONDS):
        """The exit status; None where it has not ended after so long, and all of it is killed then."""
        try:
            status = self.process.wait(timeout=seconds)
            if not processes.wait_for_none(self.mark, max(5, seconds / 4)):
                return status
        except subprocess.TimeoutExpired:
            pass
        self.kill_all()
        return None

    def kill_all(self):
        for process in processes.marked(self.mark):
            processes.send(process, signal.SIGKILL)
        self.process.wait()


class Trial:
    """A folder for one training and what is done to it. `with` removes it, and ends what still runs."""

    def __init__(self, workshop, name):
        self.workshop, self.mark = workshop, f"{workshop.folder.name}-{name}"
        self.folder = workshop.folder / name
        self.output = self.folder / "run"
        self.temporary = self.folder / "t"  # a short name: sockets lie below it
        self.temporary.mkdir(parents=True)
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for training in self.started:
            training.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, settings=()):
        return {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.temporary), processes.MARK: self.mark,
                **dict(settings)}

    def start(self, layout, settings=(), extra=(), before=None, command=None):
        """Starts the training of a layout, with these variables in its environment. `before` runs in its process."""
        log = self.folder / f"log-{len(self.started)}"
        with open(log, "wb") as stream:
            process = subprocess.Popen(command or self.workshop.command(self.output, layout, extra), stderr=stream,
                                       stdout=subprocess.DEVNULL, env=self.environment(settings), preexec_fn=before)
        training = Training(self.mark, process, log)
        self.started.append(training)
        return training

    def call(self, *arguments, text=""):
        """Runs another subcommand of the program; status None where it does not end."""
        try:
            return subprocess.run([str(self.workshop.program), *map(str, arguments)], input=text, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(),
                                  timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as late:
            return subprocess.CompletedProcess(late.cmd, None, "", "does not end")

    def updates_done(self):
        try:
            return (self.output / "metrics.jsonl").read_bytes().count(b'"type":"train"')
        except OSError:
            return 0

    def wait_for_update(self, training, update):
        """False where the training ended before it."""
        while self.updates_done() < update:
            if training.has_ended():
                return False
            time.sleep(0.005)
        return True


class Reference(dict):
    """What an uninterrupted run of a layout was like: `output`, `seconds`, and what each rank did to files."""


class Workshop:
    """`reduced`: in few layouts, since each takes uninterrupted runs first."""

    def __init__(self, program, folder, reduced=False):
        self.alone = [name for name, (number, _) in LAYOUTS.items() if number == 1][:1 if reduced else None]
        self.several = [name for name, (number, _) in LAYOUTS.items() if number > 1][-1 if reduced else None:]
        self.layouts = self.alone + self.several
        self.program, self.folder = pathlib.Path(program).resolve(), folder
        self.shim = shim.Shim(folder)
        self.references = {}
        make_data(self.program, folder)

    def command(self, output, layout, extra=()):
        number, options = LAYOUTS[layout]
        spread = ["--processes", number] if number > 1 else []
        return [str(part) for part in [self.program, "train", "--data.path", self.folder / "data", "--train.output",
                                       output, *COMMON, *options, "--train.max-updates", UPDATES, *spread, *extra]]

    def trial(self, name):
        return Trial(self, name)

    def reference(self, layout):
        if layout not in self.references:
            number = LAYOUTS[layout][0]
            ranks = []
            for rank in range(number):  # the counts of each need a run, and all runs must be equal anyhow
                trial = self.trial(f"r{len(self.references)}-{rank}")
                start = time.monotonic()
                training = trial.start(layout, self.shim.environment(trial, "count", rank=rank if number > 1 else None))
                if training.wait() != 0:
                    sys.exit(f"an uninterrupted training fails:\n{training.messages()}")
                seconds = time.monotonic() - start
                ranks.append(shim.counted(trial))
            self.references[layout] = Reference(output=trial.output, seconds=seconds, ranks=ranks)
        return self.references[layout]
