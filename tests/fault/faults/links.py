"""A cut network between two hosts: all processes end within the time-out with a clear message, and the training goes on
exactly when the network is back. The hosts are network namespaces of this machine with a pair of virtual cards between
them, so this needs root and iproute2."""

import os
import shutil
import subprocess
import time

from . import checks, processes
from .workshop import BOUND_SECONDS

TIMEOUT = 8  # seconds, parallel.timeout
# Without these, mpirun looks only after many minutes whether the other host is still there. They must be over before
# the time-out is: once mpirun has sent the other host a word that it is to end, it waits for the answer instead.
KEEPALIVE = ["--mca", "oob_tcp_keepalive_time", "1", "--mca", "oob_tcp_keepalive_intvl", "1", "--mca",
             "oob_tcp_keepalive_probes", "2"]
# The processes' own messages, and that of mpirun.
MESSAGES = ["no answer from rank", "lost communication with a remote daemon"]
PATIENCE_WITHOUT = 20
NETWORK = "10.213.7"


class Hosts:
    """Two namespaces and the link between them; `with` removes them."""

    def __init__(self):
        self.names = [f"polymoe-{os.getpid()}-{letter}" for letter in "ab"]

    @staticmethod
    def _ip(*words):
        return subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        for name in self.names:
            self._ip("netns", "add", name)
        first, second = self.names
        self._ip("link", "add", "fault", "netns", first, "type", "veth", "peer", "name", "fault", "netns", second)
        for number, name in enumerate(self.names, start=1):
            self._ip("-n", name, "addr", "add", f"{NETWORK}.{number}/24", "dev", "fault")
            for device in ("lo", "fault"):
                self._ip("-n", name, "link", "set", device, "up")
        return self

    def __exit__(self, *_):
        for name in self.names:
            self._ip("netns", "del", name)

    def works(self):
        return self._ip("netns", "exec", self.names[0], "true").returncode == 0 and NETWORK in self._ip(
            "-n", self.names[1], "addr").stdout

    def set_link(self, state):
        self._ip("-n", self.names[0], "link", "set", "fault", state)

    def mpirun(self, trial, command, options):
        """The command on both hosts, started from the first one."""
        agent = trial.folder / "agent"
        agent.write_text("#!/bin/sh\n# What mpirun takes for ssh: AGENT HOST COMMAND...\nshift\n"
                         f"exec ip netns exec {self.names[1]} unshare --uts sh -c \"hostname fault-b; $*\"\n",
                         encoding="utf-8")
        agent.chmod(0o755)
        inside = ["mpirun", "-np", "2", "--host", f"{NETWORK}.1:1,{NETWORK}.2:1", "--bind-to", "none", "--mca",
                  "plm_rsh_agent", str(agent), "--mca", "btl", "tcp,self", "--mca", "pml", "ob1", "--mca",
                  "btl_tcp_if_include", f"{NETWORK}.0/24", "--mca", "oob_tcp_if_include", f"{NETWORK}.0/24", *options]
        return ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c", 'hostname fault-a; exec "$@"',
                "sh", *inside, *command]


def run(workshop, number, randomness):
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return {"what": "", "problems": [], "skipped": "needs root and iproute2"}
    with Hosts() as hosts, workshop.trial(f"l{number}") as trial:
        if not hosts.works():
            return {"what": "", "problems": [], "skipped": "network namespaces are not allowed here"}
        return _cut(hosts, trial, number, randomness)


def _cut(hosts, trial, number, randomness):
    layout = trial.workshop.several[number % len(trial.workshop.several)]
    options = KEEPALIVE if number % 2 == 0 else []
    extra = ["--parallel.timeout", TIMEOUT]
    alone = trial.workshop.command(trial.output, layout, extra)
    at = alone.index("--processes")
    command = alone[:at] + alone[at + 2:]
    settings = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    training = trial.start(layout, settings, command=hosts.mpirun(trial, command, options))
    trial.wait_for_update(training, randomness.randint(1, 6))
    time.sleep(randomness.random() * 0.1)
    if training.has_ended():
        return {"what": layout, "problems": [f"it ended by itself: {training.messages()[-300:]}"]}
    start = time.monotonic()
    hosts.set_link("down")
    ranks = _seconds_until(start, lambda: not any(processes.of_rank(trial.mark, rank) for rank in range(2)))
    patience = BOUND_SECONDS if options else PATIENCE_WITHOUT
    every = _seconds_until(start, lambda: not processes.marked(trial.mark), patience)
    left = sorted({processes.name_of(process) for process in processes.marked(trial.mark)})
    training.kill_all()
    problems = []
    if ranks is None:
        problems.append(f"not all ranks have ended after {BOUND_SECONDS} s")
    if training.process.returncode == 0:
        problems.append("status 0 after a cut link")
    if options and every is None:
        problems.append(f"mpirun and its daemon have not ended after {BOUND_SECONDS} s")
    said = [word for word in MESSAGES if word in " ".join(training.messages().split())]
    problems += [] if said else [f"no clear message: {training.messages()[-300:]}"]
    problems += checks.kept(trial, training.saved())
    hosts.set_link("up")
    shutil.rmtree(trial.temporary)
    trial.temporary.mkdir()  # Open MPI's sessions of the daemons that were killed
    problems += checks.goes_on(trial, layout)
    others = f"mpirun and its daemon after {every} s" if every else f"{left} did not"
    ended = f"ranks ended after {ranks} s, {others}"
    what = f"{layout}, {'with' if options else 'without'} keep-alive: {ended}; {said}"
    return {"what": what, "problems": problems, "keepalive": bool(options), "rank_seconds": ranks, "all_seconds": every}


def _seconds_until(start, is_so, patience=BOUND_SECONDS):
    while not is_so():
        if time.monotonic() - start > patience:
            return None
        time.sleep(0.1)
    return round(time.monotonic() - start, 1)


def _longest(seconds):
    return max((value for value in seconds if value is not None), default=None)


def summary(results):
    cut = [result for result in results if "keepalive" in result]
    with_it = [result["all_seconds"] for result in cut if result["keepalive"]]
    without = [result["all_seconds"] for result in cut if not result["keepalive"]]
    return {"links_cut": len(results), "links_exact": sum(not result["problems"] for result in results),
            "links_max_rank_seconds": _longest(result["rank_seconds"] for result in cut),
            "links_mpirun_ended": {"with_keepalive": f"{sum(s is not None for s in with_it)} of {len(with_it)}",
                                   "without": f"{sum(s is not None for s in without)} of {len(without)}"},
            "links_max_mpirun_seconds": _longest(with_it), "links_timeout": TIMEOUT}
