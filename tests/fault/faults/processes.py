"""Finds the processes of a training, also those that lost their parents."""

import os
import pathlib
import time

MARK = "FAULT_TRIAL"  # in the environment of everything that a trial starts


def _environment_of(process):
    try:
        return pathlib.Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _stat_of(process):
    """State and parent."""
    try:
        text = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return "gone", 0
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def name_of(process):
    try:
        return pathlib.Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def marked(mark):
    """All living processes that were started with this mark."""
    wanted = f"{MARK}={mark}".encode()
    found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [process for process in found if wanted in _environment_of(process) and _stat_of(process)[0] not in "ZX"]


def of_rank(mark, rank):
    """The process of a rank; None while there is none."""
    wanted = f"OMPI_COMM_WORLD_RANK={rank}".encode()
    for process in marked(mark):
        if wanted in _environment_of(process):
            return process
    return None


def named(mark, name):
    """The first process of a trial with this name (of its program, cut to 15 characters)."""
    return next((process for process in marked(mark) if name_of(process) == name), None)


def wait_for_none(mark, seconds):
    """Those that are still there after so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def send(process, signal_number):
    """False where the process has ended before."""
    try:
        os.kill(process, signal_number)
        return True
    except (ProcessLookupError, TypeError):
        return False
