"""Runs commands under a time limit. What they print streams into a log, and nothing that they start outlives them."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time

MOST_LOGGED = 2_000_000  # bytes that one command may write into a log
MOST_KEPT = 8_000_000  # bytes of a stream that are handed back

# The line of a failed command's messages that says why: the first that has the first of these, else of those that follow,
# else the last line.
REASONS = [re.compile(r"error:|what\(\):", re.IGNORECASE),
           re.compile(r"error|fault|abort|exception|not found|cannot|CUDA|NCCL WARN|FAILED", re.IGNORECASE)]


STOP = threading.Event()  # set by Ctrl-C or SIGTERM: commands end, and none begins


class Failure(Exception):
    """A user's or a machine's trouble, told in one line."""


def say(text):
    print(f"gpu-kit: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Done:
    """How a command ended. A status below zero is the signal that ended it; None: it ran into its time limit."""
    status: int | None
    output: str
    messages: str
    seconds: float

    def succeeded(self):
        return self.status == 0

    def reason(self):
        """One line on what went wrong; empty where nothing did."""
        if self.status == 0:
            return ""
        if self.status is None:
            return "stopped" if STOP.is_set() else f"still running after {self.seconds:.0f} s: ended"
        how = signal_name(-self.status) if self.status < 0 else f"status {self.status}"
        lines = [line.strip() for line in (self.messages or self.output).splitlines() if line.strip()]
        telling = next((line for reason in REASONS for line in lines if reason.search(line)),
                       lines[-1] if lines else "no message")
        return f"{how}: {telling[:300]}"


def signal_name(number):
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def processes_of(session):
    """The processes of a session, whatever group they put themselves into, as mpirun's ranks do."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    yield int(entry)


def end_session(process):
    """Asks all processes of a session to end, then makes them."""
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        until = time.monotonic() + patience
        remaining = list(processes_of(process.pid))
        for one in remaining:
            with contextlib.suppress(OSError):
                os.kill(one, number)
        while remaining and time.monotonic() < until:
            process.poll()
            time.sleep(0.05)
            remaining = list(processes_of(process.pid))


def call(command, limit, log=None, environment=None, folder=None):
    """Runs a command for at most `limit` seconds. `log`, if given, takes bytes as they come."""
    command = [str(part) for part in command]
    begin = time.monotonic()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment, cwd=folder, start_new_session=True)
    except OSError as error:
        return Done(127, "", f"error: {command[0]}: {error.strerror}", 0.0)
    kept = {"stdout": bytearray(), "stderr": bytearray()}
    logged = [0]

    def drain(stream, content):
        with stream:
            for chunk in iter(lambda: stream.readline(65536), b""):
                if len(content) < MOST_KEPT:
                    content += chunk
                if log is not None and logged[0] < MOST_LOGGED:
                    logged[0] += len(chunk)
                    log(chunk)

    readers = [threading.Thread(target=drain, args=(getattr(process, name), kept[name]), daemon=True) for name in kept]
    for reader in readers:
        reader.start()
    try:
        while process.poll() is None and time.monotonic() - begin < limit and not STOP.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
        status = process.poll()
    finally:
        end_session(process)
    for reader in readers:
        reader.join(timeout=2.0)
    texts = [bytes(kept[name]).decode("utf-8", errors="replace") for name in kept]
    return Done(status, *texts, time.monotonic() - begin)
