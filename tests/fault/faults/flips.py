"""Damage to one file of a run: what reads a checkpoint must find it before a weight is used; damage to other files ends
in a clear error or in the same result."""

import shutil

from . import checks
from .workshop import PATIENCE_SECONDS, UPDATES

# A file of a checkpoint in most trials.
CHECKPOINT_FILES = ["index.json", "model-00001-of-00001.safetensors", "optimizer-00001-of-00001.safetensors"]
OTHER_FILES = ["run/vocab.model", "run/config.yaml", "run/metrics.jsonl", "data/dataset.json", "data/vocab.model",
               "data/*/*.ids", "data/*/*.gz"]
DAMAGES = ["bit", "bit", "byte", "zeros", "shortened", "lengthened", "other"]


def run(workshop, number, randomness):
    with workshop.trial(f"f{number}") as trial:
        reference = workshop.reference("one")["output"]
        shutil.copytree(reference, trial.output)
        if number % 5 == 4:
            return _damage_beside(trial, randomness)
        return _damage_checkpoint(trial, randomness)


def _damaged(content, how, randomness):
    """The content with one damage; the description of it."""
    at = randomness.randrange(len(content)) if content else 0
    if how == "bit":
        bit = randomness.randrange(8)
        return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1:], f"bit {bit} of byte {at} turned"
    if how == "byte":
        new = (content[at] + randomness.randint(1, 255)) % 256
        return content[:at] + bytes([new]) + content[at + 1:], f"byte {at} is {new}"
    if how == "zeros":  # what a file system may leave of a block after a crash
        begin = at // 512 * 512
        zeros = bytes(len(content[begin:begin + 512]))
        return content[:begin] + zeros + content[begin + 512:], f"512 zeros from byte {begin}"
    if how == "shortened":
        return content[:at], f"cut off at byte {at}"
    return content + randomness.randbytes(randomness.randint(1, 1000)), "bytes added"


def _damage_checkpoint(trial, randomness):
    folder = randomness.choice(["checkpoint-best", checks.checkpoint(trial.output, UPDATES).name])
    names = [name for name in CHECKPOINT_FILES if (trial.output / folder / name).exists()]
    path = trial.output / folder / randomness.choice(names)
    content, how = path.read_bytes(), randomness.choice(DAMAGES)
    older = checks.checkpoint(trial.output, checks.numbered(trial.output)[0]) / path.name
    if how == "other" and older.stat().st_size == len(content):
        new, described = older.read_bytes(), "that of another update"
    else:
        new, described = _damaged(content, "bit" if how == "other" else how, randomness)
    readers = _BEST_READERS if folder == "checkpoint-best" else _NUMBERED_READERS
    name, reader = randomness.choice(readers)
    what = f"{name}: {folder}/{path.name}, {described}"
    if new == content:
        return {"what": f"{what} (no change)", "problems": [], "matters": False}
    path.write_bytes(new)
    problems = reader(trial, path)
    return {"what": what, "problems": problems, "matters": True}


def _must_be_found(done, path):
    """An error that names the checkpoint, and nothing else came of it."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("polymoe: error: ")]
    if done.returncode is None or done.returncode < 0:
        return [f"status {done.returncode}: {done.stderr.strip()[-300:]}"]
    if done.returncode == 0:
        return [f"not found: {done.stdout.strip()[:100]}"]
    if len(errors) != 1 or path.parent.name not in errors[0]:
        return [f"not a clear message: {errors}"]
    return []


def _translate(trial, path):
    done = trial.call("translate", "--model", path.parent, "-s", "aa", "-t", "bb", text="one two\n")
    return _must_be_found(done, path)


def _verify(trial, path):
    return _must_be_found(trial.call("checkpoint", "verify", path.parent), path)


def _average(trial, path):
    older = checks.checkpoint(trial.output, checks.numbered(trial.output)[0])
    done = trial.call("average", path.parent, older, "--out", trial.folder / "averaged")
    left = ["an average was made all the same"] if (trial.folder / "averaged").exists() else []
    return _must_be_found(done, path) + left


def _init(trial, path):
    command = trial.workshop.command(trial.folder / "tuned", "one", ["--train.init", path.parent])
    training = trial.start("one", command=command)
    status = training.wait()
    if status is None or status <= 0:
        return ["not found" if status == 0 else f"status {status}"]
    return checks.one_error(training, [path.parent.name])


def _resume(trial, path):
    """Says which checkpoint it passes over, and makes it anew from the one before."""
    training = trial.start("one")
    status = training.wait()
    if status != 0:
        return [f"status {status}: {training.messages()[-300:]}"]
    passed = [line for line in training.messages().splitlines() if "passing over a checkpoint" in line]
    if not any(path.parent.name in line for line in passed):
        return ["not found: the training passed over nothing"]
    return checks.differences(trial.output, trial.workshop.reference("one")["output"])


_BEST_READERS = [("translate", _translate), ("verify", _verify), ("average", _average), ("train --init", _init)]
_NUMBERED_READERS = [*_BEST_READERS, ("train", _resume), ("train", _resume)]


def _damage_beside(trial, randomness):
    """Damage to what is no part of a checkpoint: the training goes on from an older one."""
    data = trial.folder / "data"
    shutil.copytree(trial.workshop.folder / "data", data)
    path = randomness.choice(sorted(trial.folder.glob(randomness.choice(OTHER_FILES))))
    content = path.read_bytes()
    new, described = _damaged(content, randomness.choice(DAMAGES[:-1]), randomness)
    path.write_bytes(new)
    shutil.rmtree(checks.checkpoint(trial.output, UPDATES))
    command = [str(data) if part == str(trial.workshop.folder / "data") else part
               for part in trial.workshop.command(trial.output, "one")]
    training = trial.start("one", command=command)
    status = training.wait(PATIENCE_SECONDS)
    what = f"train: {path.relative_to(trial.folder)}, {described}"
    if status == 0:
        reference = trial.workshop.reference("one")["output"]
        problems = [f"silent: {problem}" for problem in checks.differences(trial.output, reference)
                    if not (path.name in problem and "not as" in problem)]  # its own damage may stay in it
    elif status is None or status < 0:
        problems = [f"status {status}: {training.messages()[-300:]}"]
    else:
        problems = checks.one_error(training, [path.name, path.parent.name])
    end = "the same result" if status == 0 else "an error"
    return {"what": f"{what}: {end}", "problems": problems, "matters": False}


def summary(results):
    matter = [result for result in results if result["matters"]]
    return {"flips": len(matter), "flips_found": sum(not result["problems"] for result in matter),
            "damages_beside": len(results) - len(matter)}
