"""What the parity tests share: trainings of one tiny model, and how far two of them are apart."""

import array
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))
from trainings import records  # noqa: E402

# A tiny model, with dropout of all kinds and Random Token Selection.
COMMON = [
    "--model.hidden", "64", "--model.ffn", "128", "--model.heads", "8", "--model.encoder-layers", "2",
    "--model.decoder-layers", "2", "--model.dropout", "0.1", "--model.attention-dropout", "0.1",
    "--model.activation-dropout", "0.1", "--model.moe.experts", "8", "--model.moe.every", "2",
    "--model.moe.gate-noise", "jitter", "--model.moe.router-z-loss", "0.001", "--data.max-length", "64",
    "--data.bucket-examples", "256", "--data.denoising-weight", "0.3", "--train.max-tokens", "240", "--train.log-freq",
    "1", "--train.valid-freq", "0", "--train.valid-examples", "1", "--train.valid-beam-size", "0", "--train.keep-best",
    "loss", "--train.save-freq", "1", "--train.keep-checkpoints", "1000", "--no-tensorboard",
    "--optimizer.warmup-updates", "10", "--optimizer.learning-rate", "0.001",
]

# Processes that share a GPU. NCCL refuses two ranks on one device of one host: so each says that it is a host of its own,
# and they talk over the loopback device.
SHARED_GPU = {"NCCL_NET": "Socket", "NCCL_SOCKET_IFNAME": "lo"}
OWN_HOST = 'NCCL_HOSTID=rank$OMPI_COMM_WORLD_RANK exec "$0" "$@"'


class Failure(Exception):
    """A training that did not do what it should, in one line; `messages` is all that the program said."""

    def __init__(self, line, messages=""):
        super().__init__(line)
        self.messages = messages


class Training(typing.NamedTuple):
    losses: dict  # by update
    validation: dict  # losses on held-out text, by update
    gradients: dict  # by tensor: Adam's first moments after the first update, (1 - beta1) times the clipped gradient
    norm: float  # of the first gradient, before clipping


def with_settings(common, settings):
    """A command's options with other values for some keys: `settings` is a list of pairs, with None for a flag's value."""
    options = list(common)
    for key, value in settings:
        if value is None:
            options.append(f"--{key}")
        elif f"--{key}" in options:
            options[options.index(f"--{key}") + 1] = value
        else:
            options += [f"--{key}", value]
    return options


def first_error(text, status):
    """The line of a program's messages that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if "error:" in line.lower() or "what():" in line]
    line = (said or lines[-1:] or ["no message"])[0]
    return f"ended with {status}: {line}"


def launch(command, processes, shares_gpu):
    """The command and the environment for so many processes."""
    environment = dict(os.environ)
    if processes == 1:
        return command, environment
    if not shares_gpu:
        return [*command, "--processes", processes], environment
    environment.update(SHARED_GPU)
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        environment.setdefault(name, "1")
    environment.setdefault("OMP_WAIT_POLICY", "passive")  # who waits leaves its core to the others
    return ["mpirun", "-np", processes, "--oversubscribe", "--bind-to", "none", "sh", "-c", OWN_HOST, *command], environment


def train(program, folder, options, updates, processes=1, device="cpu", threads=1, gradients_after=1, stops=(),
          time_out=None):
    """Trains in `folder`/run with the data in `folder`/data, in one go or with stops after some updates. `gradients_after`
    is the update whose checkpoint has the first gradient. Failure where it does not train to its end, or where a loss is
    not finite."""
    output = folder / "run"
    shutil.rmtree(output, ignore_errors=True)
    for last in (*stops, updates):
        command, environment = launch(
            [program, "train", "--data.path", folder / "data", "--train.output", output, *options, "--train.device", device,
             "--train.max-updates", last, "--train.threads", threads], processes, device == "cuda")
        try:
            done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, errors="replace", timeout=time_out, env=environment)
        except subprocess.TimeoutExpired:
            raise Failure(f"no end after {time_out} seconds") from None
        except OSError as error:
            raise Failure(f"{command[0]}: {error.strerror}") from None
        if done.returncode != 0:
            raise Failure(first_error(done.stderr, done.returncode), done.stderr)
    rows = records(output, "train")
    losses = {row["update"]: row["loss"] for row in rows}
    if sorted(losses) != list(range(1, updates + 1)):
        raise Failure(f"losses of updates {sorted(losses)} instead of 1 to {updates}")
    validation = {row["update"]: row["loss"] for row in records(output, "valid")}
    for kind, values in (("loss", losses), ("validation's loss", validation)):
        for update, loss in values.items():
            if loss is None or not math.isfinite(loss):
                raise Failure(f"the {kind} of update {update} is not finite")
    if rows[0]["gradient_norm"] is None:  # JSON has no infinity
        raise Failure("the first gradient is not finite")
    return Training(losses, validation, gradients(output / f"checkpoint-{gradients_after:07}"), rows[0]["gradient_norm"])


def gradients(checkpoint):
    tensors = {}
    for path in sorted(checkpoint.glob("optimizer-*.safetensors")):
        content = path.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        for name, entry in json.loads(content[8:8 + length]).items():
            if name.startswith("first_moment/"):
                begin, end = entry["data_offsets"]
                tensors[name[len("first_moment/"):]] = array.array("f", content[8 + length + begin:8 + length + end])
    if not tensors:
        raise Failure(f"no first moments in {checkpoint}")
    if not any(any(values) for values in tensors.values()):
        raise Failure(f"all first moments in {checkpoint} are zero")
    return tensors


def loss_difference(training, reference):
    """The largest of any update, and of any validation of the reference, relative to it."""
    if not reference.validation.keys() <= training.validation.keys():
        raise Failure(f"validations after updates {sorted(training.validation)} instead of {sorted(reference.validation)}")
    pairs = [(training.losses[update], loss) for update, loss in reference.losses.items()]
    pairs += [(training.validation[update], loss) for update, loss in reference.validation.items()]
    return max(abs(loss - expected) / abs(expected) for loss, expected in pairs)


def gradient_differences(training, reference):
    """Of each tensor the largest, relative to the largest element of it."""
    if training.gradients.keys() != reference.gradients.keys():
        raise Failure(f"other tensors: {sorted(training.gradients.keys() ^ reference.gradients.keys())[:5]}")
    found = {}
    for name, values in reference.gradients.items():
        largest = max(map(abs, values))
        differences = [abs(a - b) for a, b in zip(training.gradients[name], values, strict=True)]
        if not all(map(math.isfinite, differences)):
            found[name] = math.inf
        elif largest == 0.0:
            found[name] = math.inf if max(differences) > 0 else 0.0
        else:
            found[name] = max(differences) / largest
    return found


def gradient_difference(training, reference, experts=None):
    """The largest: of expert parameters, of dense ones, or of all."""
    found = gradient_differences(training, reference)
    return max((value for name, value in found.items() if experts is None or (".experts." in name) == experts), default=0.0)


def norm_difference(training, reference):
    return abs(training.norm - reference.norm) / reference.norm
