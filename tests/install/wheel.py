"""What a program does with the installed package. Usage: wheel.py MODEL LINES EXPECTED [MODULE...], imported in this order."""

from __future__ import annotations

import importlib
import pathlib
import signal
import sys
import threading
from typing import Any

for name in sys.argv[4:]:
    importlib.import_module(name)

import polymoe


def expect(condition: bool, what: object) -> None:
    if not condition:
        sys.exit(f"not as it should be: {what}")


model = sys.argv[1]
lines = pathlib.Path(sys.argv[2]).read_text().splitlines()
expected = pathlib.Path(sys.argv[3]).read_text().splitlines()

translator = polymoe.Translator(model, threads=2)
translations = translator.translate(lines, "en", "de")
expect([translation.text for translation in translations] == expected, translations)
expect(translator.translate(lines[0], "en", "de").text == expected[0], "a single line")
expect(translator.translate([], "en", "de") == [], "no lines")
expect(translator.languages == ["de", "en"] or translator.languages == ["en", "de"], translator.languages)

# Several threads at once.
found: dict[int, list[str]] = {}


def work(number: int) -> None:
    found[number] = [translation.text for translation in translator.translate(lines, "en", "de")]


threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
expect(found == {number: expected for number in range(8)}, found)

# As it comes.
greedy = polymoe.Translator(model, beam_size=1, precision="int8", verify=False)
pieces: list[polymoe.Partial] = []
whole = greedy.translate(lines[0], "en", "de", on_partial=pieces.append)
expect("".join(piece.added for piece in pieces) == whole.text, pieces)
expect(len(pieces) > 2 and pieces[-1].complete and pieces[-1].text == whole.text, pieces)


def stop(_: polymoe.Partial) -> None:
    raise KeyError("enough")


try:
    greedy.translate(lines, "en", "de", on_partial=stop)
    expect(False, "a listener's exception is lost")
except KeyError:
    pass


def press_ctrl_c(partial: polymoe.Partial) -> None:
    if partial != pieces[0]:  # once
        return
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


try:
    greedy.translate(lines, "en", "de", on_partial=press_ctrl_c)
    expect(False, "Ctrl-C is lost")
except KeyboardInterrupt:
    pass
canceller = polymoe.Canceller()
canceller.cancel()
try:
    greedy.translate(lines, "en", "de", canceller=canceller)
    expect(False, "a cancelled call goes on")
except polymoe.Cancelled:
    pass

try:
    translator.score(lines, expected, "en", "de", canceller=canceller)
    expect(False, "a cancelled scoring goes on")
except polymoe.Cancelled:
    pass
shared = polymoe.Canceller()
try:
    greedy.translate(lines, "en", "de", on_partial=stop, canceller=shared)
    expect(False, "a listener's exception is lost")
except KeyError:
    pass
expect(greedy.translate(lines[0], "en", "de", canceller=shared).text == whole.text, "a failed call cancels others")

# Options and errors.
listed = polymoe.Translator(model, n_best=3, protect=True, split_sentences="always")
expect(len(listed.translate(lines[0], "en", "de").hypotheses) == 3, "three translations")
terms = polymoe.Glossary({"file": ["Seite", "Fenster"]})
expect("Seite" in (text := listed.translate("Open the file", "en", "de", glossary=terms).text) or "Fenster" in text, text)
begun = listed.translate(lines, "en", "de", prefixes=["Das"] * len(lines))
expect(all(translation.text.startswith("Das") for translation in begun), begun)
word = listed.translate(lines[0], "en", "de").text.split()[0]
others = listed.translate(lines[0], "en", "de", forbidden=[word], replace_unknowns=True).hypotheses
expect(all(word not in other.text.split() and other.forbidden_phrases == 0 for other in others), others)
scored = translator.translate(lines[0], "en", "de", word_scores=True, alignments=True).hypotheses[0]
words = scored.text.split()
expect(len(scored.word_scores) == len(words) + 1, scored)
expect(abs(sum(scored.word_scores) - scored.log_probability) < 1e-3, scored)
expect([len(row) for row in scored.alignment] == [len(lines[0].split())] * len(words), scored.alignment)
expect(translations[0].hypotheses[0].word_scores == [] and translations[0].hypotheses[0].alignment == [], "not asked for")
expect(translations[0].read_whole and scored.keeps_placeholders, scored)
scores = translator.score(lines, expected, "en", "de")
expect(abs(scores[0].score - translations[0].hypotheses[0].score) < 0.1, scores[0])
expect(translator.is_trained("en", "de"), "en-de is not trained")
sharp = polymoe.Glossary({"#file": "Seite"})
expect("Seite" in (text := listed.translate("Open the #file", "en", "de", glossary=sharp).text), text)
for call, word in (
    (lambda: translator.score(lines[:1], ["das " * 3000], "en", "de"), "the translations:1"),
    (lambda: translator.is_trained("en", "xx"), "xx"),
    (lambda: polymoe.Translator("nowhere"), "nowhere"),
    (lambda: polymoe.Translator(model, beam_size=0), "beam-size"),
    (lambda: translator.translate("Open", "en", "xx"), "xx"),
    (lambda: translator.translate([], "en", "xx"), "xx"),
    (lambda: polymoe.Glossary.load("nowhere"), "nowhere"),
):
    try:
        call()
        expect(False, f"nothing is wrong with {word}")
    except polymoe.Error as error:
        expect(word in str(error), error)
wrong: Any = [1]
for call in (lambda: translator.translate("Open\0", "en", "de"), lambda: polymoe.Glossary({"a\tb": "c"}),
             lambda: polymoe.Glossary({"a": []}), lambda: polymoe.Translator(model + "\0"),
             lambda: translator.score(lines, [], "en", "de"), lambda: translator.translate(wrong, "en", "de"),
             lambda: translator.translate(lines, "en", "de", glossary=wrong)):
    try:
        call()
        expect(False, "a bad value is taken")
    except (TypeError, ValueError):
        pass

# LibTorch is there once, and Python's torch computes with it.
loaded = {line.split()[-1] for line in open("/proc/self/maps") if "/libtorch_cpu.so" in line}
expect(len(loaded) == 1, loaded)
if "torch" in sys.modules:
    torch = sys.modules["torch"]
    expect(float(torch.ones(200, 300).matmul(torch.ones(300, 2)).sum()) == 200 * 300 * 2, "torch's product")
