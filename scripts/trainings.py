"""What the scripts share that train tiny models to measure or to test: data, commands, results."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def call(command):
    """Runs a command and returns its messages; ends the script with them where it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed with {done.returncode}: {' '.join(map(str, command))}\n{done.stderr}")
    return done.stderr


def make_data(program, folder, lines=600, digits=5, vocabulary=70):
    """A dataset in `folder`/data: numbers of up to so many digits in three made-up languages."""
    text = {"aa": [], "bb": [], "cc": []}
    for n in range(lines):
        number = [int(d) for d in str(pow(7, 3 + n % 20) * (n + 11) ** 2)][:2 + n * n % (digits - 1)]
        text["aa"].append(" ".join(WORDS[d] for d in number))
        text["bb"].append(" ".join(str(d) for d in reversed(number)))
        text["cc"].append("-".join(WORDS[(d + 3) % 10][::-1] for d in number))
    held_out = lines // 30
    corpora = []
    for split, part in (("train", slice(held_out, None)), ("valid", slice(held_out))):
        files = []
        for language, content in text.items():
            path = folder / f"{split}.{language}"
            path.write_text("".join(line + "\n" for line in content[part]), encoding="utf-8")
            files.append(f"{language}={path}")
        corpora += ["--corpus", f"{split}:files:{','.join(files)}"]
    call([program, "vocab", *corpora, "--size", vocabulary, "--out", folder / "vocab.model"])
    call([program, "prepare", "--vocab", folder / "vocab.model", *corpora, "--out", folder / "data"])


def records(output, kind):
    """The records of one type in the metrics of a run."""
    lines = (output / "metrics.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [record for record in map(json.loads, lines) if record["type"] == kind]


def origin(*command):
    """What a result says of where it came from: the command, the commit, the machine and the date. Of a path outside the
    project only the name is kept: folders of one machine tell others nothing."""
    words = [pathlib.Path(word).name if pathlib.Path(word).is_absolute() else word for word in map(str, command)]
    done = subprocess.run([ROOT / "scripts" / "environment-json", *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def write_result(name, result, script, made_by=None, path=None):
    """Writes build/results/NAME.json, or `path`, with its origin: `made_by`, or this command and the commit of now."""
    path = path or ROOT / "build" / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({**result, **(made_by or origin(script, *sys.argv[1:]))}, indent=1) + "\n",
                       encoding="utf-8")
    partial.replace(path)
