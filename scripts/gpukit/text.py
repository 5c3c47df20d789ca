"""The small dataset of real text in a kit."""

import json
import os
import shutil
import subprocess

from .commands import Failure, say

# Programs' messages, from Debian's packages; a fifth of what ./quickstart trains with.
RECIPE = {
    "packages": "aptitude-common,coreutils,dpkg,git,gnome-control-center-data,gnucash-common,libc-l10n,libgtk-3-common,"
                "util-linux-locales,vlc-l10n",
    "languages": "de,fr", "max_chars": "80", "vocabulary": "6000",
}


def make_text(program, environment, folder):
    """The prepared dataset in `folder`, made anew only where it is missing or another was asked for."""
    stamp = folder / "recipe.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == RECIPE:
        return
    say(f"text: messages of programs, en-{RECIPE['languages']}, of {len(RECIPE['packages'].split(','))} packages")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    corpus, vocabulary = folder / "corpus", folder / "vocab.model"
    for command in (
        ["corpus", "gettext", "--languages", RECIPE["languages"], "--packages", RECIPE["packages"], "--max-chars",
         RECIPE["max_chars"], "--out", corpus],
        ["vocab", "--corpus", corpus, "--size", RECIPE["vocabulary"], "--max-sentences", "40000", "--out", vocabulary],
        ["prepare", "--vocab", vocabulary, "--corpus", corpus, "--out", folder / "data"],
    ):
        done = subprocess.run([str(part) for part in (program, *command)], env={**os.environ, **environment},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise Failure(f"no text: polymoe {command[0]}: {why}. Without network: pack --without-text")
    shutil.rmtree(corpus)
    stamp.write_text(json.dumps(RECIPE), encoding="utf-8")
