"""`gpu-kit run`: every part on this machine, each step under its own time limit."""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time

import trainings

from . import machine, parts
from .commands import STOP, Failure, call, say
from .results import Outcome, Results, failed, skipped

HELP = """\
Runs the kit on this machine: prints a table and writes gpu.json, which is complete after every step. Nothing is built,
installed or fetched. Needed are Python 3.10 or newer with torch of the version that the kit was packed for; a GPU, for
all that measures one. Without a GPU the steps that can run on the CPU do, in small sizes, and the others say that they
need a GPU.

Each step has a time limit. One that fails, hangs or crashes is ended, and the next begins. What is not reached within
--minutes is named as such. The exit status is 1 where something failed.

parts:
"""
HELP += "\n".join(f"  {part.name:<13}{part.about}" for part in parts.PARTS)

LOG_LIMIT = 12_000_000  # bytes; where results are fetched from, files of 16 MiB come through


def add_arguments(parser):
    parser.add_argument("--minutes", type=float, default=9.0, metavar="M", help="for all of it (default: 9)")
    parser.add_argument("--part", action="append", default=[], metavar="NAME",
                        choices=[part.name for part in parts.PARTS], help="this part only; may be given again")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                        help="folder of gpu.json and the logs, at most 8 files (default: $OUT, else gpu-kit-results "
                             "beside the kit)")
    parser.add_argument("--torch", type=pathlib.Path, metavar="DIR",
                        help="torch's folder (default: that of the Python that runs this)")
    parser.add_argument("--device", choices=["cpu", "cuda"],
                        help="as if there were no GPU, or one (default: what there is)")


class Log:
    """One file of what commands print, up to a limit, and with what each was."""

    def __init__(self, path):
        self.file = open(path, "ab", buffering=0)
        self.lock = threading.Lock()

    def write(self, content):
        with self.lock:
            if not self.file.closed and self.file.tell() < LOG_LIMIT:
                self.file.write(content)

    def close(self):
        self.file.close()


@dataclasses.dataclass
class Context:
    """What a step has to work with."""
    kit: pathlib.Path
    torch: pathlib.Path
    device: str
    gpu: dict
    about_kit: dict
    environment: dict
    scratch: pathlib.Path
    cores: int
    minutes: float
    log: Log = None
    until: float = 0.0  # when the step must have ended, by time.monotonic()
    side_by_side: bool = False  # commands of several steps run at a time: each is logged when it has ended
    shared: dict = dataclasses.field(default_factory=dict)  # what a step leaves for later ones

    @property
    def program(self):
        return self.kit / "bin" / "polymoe"

    @property
    def on_gpu(self):
        return self.device == "cuda"

    def seconds_left(self):
        return max(0.0, self.until - time.monotonic())

    def call(self, *command, limit=None, **variables):
        """Runs a command, logged, within what is left for the step."""
        words = shlex.join(str(part) for part in command)
        header = f"\n$ {''.join(f'{name}={value} ' for name, value in variables.items())}{words}\n".encode()
        chunks = [header]
        take = chunks.append if self.side_by_side else self.log.write
        if not self.side_by_side:
            self.log.write(header)
        done = call(command, min(limit or 1e9, self.seconds_left()), take, folder=self.kit,
                    environment={**self.environment, **{name: str(value) for name, value in variables.items()}})
        take(f"[{done.reason() or 'status 0'}, {done.seconds:.1f} s]\n".encode())
        if self.side_by_side:
            self.log.write(b"".join(chunks))
        return done


def find_kit():
    """The kit that this command lies in, or that of the checkout."""
    home = pathlib.Path(__file__).resolve().parent.parent.parent
    for folder in (home, home / "build" / "gpu-kit"):
        if (folder / "kit.json").exists():
            return folder
    raise Failure(f"there is no kit in {home / 'build' / 'gpu-kit'}. Where polymoe is built: scripts/gpu-kit pack")


def results_folder(kit, given):
    if given is None:
        given = pathlib.Path(os.environ["OUT"]) if os.environ.get("OUT") else kit.parent / "gpu-kit-results"
    given.mkdir(parents=True, exist_ok=True)
    return given.resolve()


def prepare(kit, arguments, scratch):
    torch = machine.find_torch(arguments.torch)
    environment = machine.kit_environment(kit, torch)
    found, complaints = machine.libraries_of(kit / "bin" / "polymoe", environment)
    if complaints or None in found.values():
        environment = machine.kit_environment(kit, torch, fallback=True)
    gpu = machine.probe_gpu(environment)
    about_kit = json.loads((kit / "kit.json").read_text(encoding="utf-8"))
    return Context(kit=kit, torch=torch, device=arguments.device or ("cuda" if gpu["gpus"] else "cpu"), gpu=gpu,
                   about_kit=about_kit, environment=environment, scratch=scratch, cores=len(os.sched_getaffinity(0)),
                   minutes=arguments.minutes)


def origin(context):
    """Whence the results come. The commit is that of the programs, not of a checkout that the kit may lie in."""
    about = trainings.origin("scripts/gpu-kit", *sys.argv[1:])
    about["commit"] = context.about_kit["commit"]
    about["machine"].update(context.gpu, device=context.device, **machine.torch_version(context.torch))
    return about


def run_step(context, results, part, step, until):
    now = time.monotonic()
    if until - now < step.least or STOP.is_set():
        results.add(part.name, step.name, 0.0, Outcome(not_reached=1, error="not reached"))
        return
    if step.needs_gpu and not context.on_gpu:
        results.add(part.name, step.name, 0.0, skipped("needs a GPU"))
        return
    mine = dataclasses.replace(context, until=min(until, now + step.limit), log=context.log)
    try:
        outcome = step.action(mine)
    except Exception as error:  # a fault of the kit itself must not end the run either
        outcome = failed(f"{type(error).__name__}: {error}")
    if outcome.failed and not outcome.failures and (STOP.is_set() or time.monotonic() >= until):
        # Cut off by the end of its part, not by its own limit: that says nothing against it.
        outcome = Outcome(not_reached=1, error=f"the time was over: {outcome.error}", numbers=outcome.numbers)
    results.add(part.name, step.name, time.monotonic() - now, outcome)
    say(f"{part.name}: {step.name}: {outcome.verdict()} after {time.monotonic() - now:.1f} s"
        f"{': ' + outcome.error if outcome.error else ''}")


def run_parts(context, results, chosen, folder, end):
    for number, part in enumerate(chosen):
        # Each part has its share of what is left, so that time which one does not need is the others'.
        left, now = sum(later.share for later in chosen[number:]), time.monotonic()
        until = now + max(0.0, end - now) * part.share / left
        context.log = Log(folder / f"{part.log}.log")
        context.scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"{part.name}-", dir=context.scratch.parent))
        say(f"{part.name}: at most {until - now:.0f} s")
        context.until, context.side_by_side = until, False
        try:
            steps = part.steps(context)
        except Exception as error:
            steps = []
            results.add(part.name, "steps", time.monotonic() - now, failed(f"{type(error).__name__}: {error}"))
        workers = part.workers(context)
        context.side_by_side = workers > 1
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(run_step, context, results, part, step, until) for step in steps]:
                future.result()
        context.log.close()
        shutil.rmtree(context.scratch, ignore_errors=True)


def main(arguments):
    kit = find_kit()
    if kit / "scripts" / "gpukit" / "run.py" != pathlib.Path(__file__).resolve():
        # What was packed is what runs, whatever happened to this checkout since.
        command = [sys.executable, str(kit / "gpu-kit"), *sys.argv[1:]]
        if arguments.out:
            command += ["--out", str(arguments.out.resolve())]
        os.execv(sys.executable, command)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP.set())
    begin = time.monotonic()
    chosen = [part for part in parts.PARTS if not arguments.part or part.name in arguments.part]
    with tempfile.TemporaryDirectory(prefix="gpu-kit-", ignore_cleanup_errors=True) as temporary:
        scratch = pathlib.Path(temporary) / "first"
        scratch.mkdir()
        context = prepare(kit, arguments, scratch)
        folder = results_folder(kit, arguments.out)
        for old in [folder / "gpu.json", *(folder / f"{part.log}.log" for part in parts.PARTS)]:
            old.unlink(missing_ok=True)
        results = Results(folder, origin(context))
        results.write()
        gpu = context.gpu["gpu"] if context.gpu["gpus"] else f"no GPU ({context.gpu.get('why', 'none found')})"
        say(f"{gpu}, {context.cores} cores, torch {results.origin['machine']['torch']}; results go to {folder}")
        run_parts(context, results, chosen, folder, begin + 60 * arguments.minutes)
    results.print_table()
    print(f"results and logs: {folder}")
    return 130 if STOP.is_set() else 1 if results.total("failed") else 0
