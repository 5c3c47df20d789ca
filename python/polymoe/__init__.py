"""Translates with polymoe's models.

    import polymoe

    translator = polymoe.Translator("run", beam_size=4)
    print(translator.translate("Open the file.", "en", "de").text)

A translator may be used from several threads at once; while it computes, other Python threads run.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional, Union, overload

from ._library import PartialCallback, Request, library

__all__ = ["Cancelled", "Canceller", "Error", "Glossary", "Hypothesis", "Partial", "Score", "Translation",
           "Translator"]
__version__: str = library.polymoe_library_version().decode()

Path = Union[str, "os.PathLike[str]"]


class Error(Exception):
    """What a caller can set right: a model that is not there, an option out of range, an unknown language."""


class Cancelled(Exception):
    """A call was cancelled by its Canceller."""


@dataclass(frozen=True)
class Hypothesis:
    """One translation of a line."""

    text: str
    score: float  #: log probability / length**length_penalty
    log_probability: float  #: of all its tokens and the end mark
    cut_off: bool  #: it does not end by itself: it reached the greatest length
    unmet_terms: int  #: terms of the glossary that it lacks
    keeps_placeholders: bool  #: those of the line, where `protect` asks for it
    forbidden_phrases: int  #: that it holds all the same
    word_scores: list[float]  #: where asked for: log probability of each word and of the end mark
    alignment: list[list[float]]  #: where asked for: how much each word attends to each word of the line


@dataclass(frozen=True)
class Translation:
    """What came of one line."""

    hypotheses: list[Hypothesis]  #: best first, at least one
    unknown_tokens: int  #: of the line, those that the vocabulary does not know
    read_whole: bool  #: else the model read only the line's beginning (split_sentences="never")

    @property
    def text(self) -> str:
        return self.hypotheses[0].text


@dataclass(frozen=True)
class Score:
    """What the model thinks of a translation that is there already."""

    log_probability: float  #: of all its tokens and the end mark
    score: float  #: log probability / length**length_penalty
    word_scores: list[float]  #: log probability of each word and of the end mark


@dataclass(frozen=True)
class Partial:
    """As much of the best translation of a line as is known while it is made."""

    line: int  #: its place among the lines of the call
    text: str  #: begins with what was told before
    added: str  #: the end of `text` that was not told before
    complete: bool  #: nothing more comes for this line


def _encoded(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"a str is wanted, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("a text holds a NUL character")
    return text.encode()


def _path(path: Path) -> bytes:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path holds a NUL character")
    return name


def _checked(handle: Optional[int]) -> int:
    if handle:
        return handle
    message = library.polymoe_last_error().decode(errors="replace")
    raise Cancelled(message) if library.polymoe_was_cancelled() else Error(message)


class Canceller:
    """Ends calls from another thread: those that were given it raise Cancelled within one step of the search."""

    def __init__(self) -> None:
        self._handle = _checked(library.polymoe_canceller_new())
        self._lock = threading.Lock()
        self._cancelled = False
        self._calls: set[Canceller] = set()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            calls = list(self._calls)
        library.polymoe_cancel(self._handle)
        for call in calls:
            call.cancel()

    @contextmanager
    def _of_call(self) -> Iterator[Canceller]:
        """One that ends a single call: when this one is told to, or for a reason of the call's own."""
        own = Canceller()
        with self._lock:
            self._calls.add(own)
            cancelled = self._cancelled
        if cancelled:
            own.cancel()
        try:
            yield own
        finally:
            with self._lock:
                self._calls.discard(own)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            library.polymoe_canceller_free(self._handle)


class Glossary:
    """Terms with the translations that are to be used for them."""

    def __init__(self, terms: Mapping[str, Union[str, Sequence[str]]]) -> None:
        """Each term has one translation, or several of which any will do."""
        entries = [[term, targets] if isinstance(targets, str) else [term, *targets] for term, targets in terms.items()]
        if not entries:
            raise ValueError("no terms")
        if bare := [entry[0] for entry in entries if len(entry) < 2]:
            raise ValueError(f"a term without a translation: {bare[0]!r}")
        if broken := [text for entry in entries for text in entry if set(text) & set("\t\n\r")]:
            raise ValueError(f"a term or its translation holds a tab or a line end: {broken[0]!r}")
        lines = [" " + "\t".join(entry) for entry in entries]  # a line that begins with "#" would be a comment
        self._handle = _checked(library.polymoe_glossary_parse(_encoded("\n".join(lines))))

    @classmethod
    def load(cls, path: Path) -> Glossary:
        """From a file of lines `source TAB target`."""
        glossary = cls.__new__(cls)
        glossary._handle = _checked(library.polymoe_glossary_load(_path(path)))
        return glossary

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            library.polymoe_glossary_free(self._handle)


class Translator:
    """A model that translates. The options are those of `polymoe translate`, and so are the defaults."""

    def __init__(
        self,
        model: Path,
        *,
        vocabulary: Optional[Path] = None,
        precision: Optional[str] = None,
        device: Optional[str] = None,
        threads: Optional[int] = None,
        verify: Optional[bool] = None,
        beam_size: Optional[int] = None,
        n_best: Optional[int] = None,
        min_length: Optional[int] = None,
        length_penalty: Optional[float] = None,
        max_length_factor: Optional[float] = None,
        max_length_offset: Optional[int] = None,
        no_repeat_ngram: Optional[int] = None,
        repetition_penalty: Optional[float] = None,
        max_tokens: Optional[int] = None,
        temperature: Optional[float] = None,
        top_k: Optional[int] = None,
        top_p: Optional[float] = None,
        seed: Optional[int] = None,
        protect: Optional[bool] = None,
        split_sentences: Optional[str] = None,
    ) -> None:
        """Loads a run's folder or a checkpoint. `precision`: float32, bfloat16, float16, int8 or int4;
        `device`: cpu or cuda; `split_sentences`: never, long or always."""
        given = {name: value for name, value in locals().items() if name not in ("self", "model") and value is not None}
        options = _checked(library.polymoe_options_new())
        try:
            for name, value in given.items():
                text = str(value).lower() if isinstance(value, bool) else value if name == "vocabulary" else str(value)
                if library.polymoe_options_set(options, name.replace("_", "-").encode(), _path(text)) != 0:
                    _checked(None)
            self._handle = _checked(library.polymoe_load(_path(model), options))
        finally:
            library.polymoe_options_free(options)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            library.polymoe_translator_free(self._handle)

    @property
    def languages(self) -> list[str]:
        """The codes of the languages that the model has tags for."""
        codes: list[str] = []
        while (code := library.polymoe_language(self._handle, len(codes))) is not None:
            codes.append(code.decode())
        return codes

    def is_trained(self, source: str, target: str, task: str = "translation") -> bool:
        """Whether the model was trained for a direction, as far as is known: what it writes otherwise may be of little
        use."""
        found = library.polymoe_is_trained(self._handle, _encoded(source), _encoded(target), _encoded(task))
        if found < 0:
            _checked(None)
        return bool(found)

    @overload  # a str is a Sequence[str], too, but the first signature counts
    def translate(self, lines: str, source: str, target: str, *, task: str = ...,  # type: ignore[overload-overlap]
                  prefixes: Optional[Sequence[str]] = ..., glossary: Optional[Glossary] = ...,
                  forbidden: Optional[Sequence[str]] = ..., replace_unknowns: bool = ...,
                  word_scores: bool = ..., alignments: bool = ...,
                  on_partial: Optional[Callable[[Partial], None]] = ...,
                  canceller: Optional[Canceller] = ...) -> Translation: ...

    @overload
    def translate(self, lines: Sequence[str], source: str, target: str, *, task: str = ...,
                  prefixes: Optional[Sequence[str]] = ..., glossary: Optional[Glossary] = ...,
                  forbidden: Optional[Sequence[str]] = ..., replace_unknowns: bool = ...,
                  word_scores: bool = ..., alignments: bool = ...,
                  on_partial: Optional[Callable[[Partial], None]] = ...,
                  canceller: Optional[Canceller] = ...) -> list[Translation]: ...

    def translate(
        self,
        lines: Union[str, Sequence[str]],
        source: str,
        target: str,
        *,
        task: str = "translation",
        prefixes: Optional[Sequence[str]] = None,
        glossary: Optional[Glossary] = None,
        forbidden: Optional[Sequence[str]] = None,
        replace_unknowns: bool = False,
        word_scores: bool = False,
        alignments: bool = False,
        on_partial: Optional[Callable[[Partial], None]] = None,
        canceller: Optional[Canceller] = None,
    ) -> Union[Translation, list[Translation]]:
        """Translates a line, or many, which is faster than one after another.

        `prefixes`: what the translation of each line begins with. `forbidden`: phrases that no translation holds as whole
        words. `replace_unknowns`: unknown pieces may be written, and are copied from the line. `word_scores` and
        `alignments`: whether hypotheses shall have them. `on_partial` is told of translations while they are made, on another thread: with beam_size=1 token by token, else as far as all
        hypotheses agree; what it raises ends the call. It must not use the translator.
        """
        many = [lines] if isinstance(lines, str) else list(lines)
        for name, texts in (("prefixes", prefixes), ("forbidden", forbidden)):
            if isinstance(texts, str):
                raise TypeError(f"{name}: a list of strings is wanted, not one string")
        prefixes = None if prefixes is None else list(prefixes)
        forbidden = None if forbidden is None else list(forbidden)
        if prefixes is not None and len(prefixes) != len(many):
            raise ValueError(f"{len(prefixes)} prefixes for {len(many)} lines")
        if glossary is not None and not isinstance(glossary, Glossary):
            raise TypeError(f"glossary: a polymoe.Glossary is wanted, not {type(glossary).__name__}")
        with (canceller or Canceller())._of_call() as own:
            raised: list[BaseException] = []

            def tell(_: int, line: int, text: bytes, known: int, complete: int) -> None:
                if raised or on_partial is None:
                    return
                try:
                    on_partial(Partial(line, text.decode(), text[known:].decode(), bool(complete)))
                except BaseException as error:  # raised again by the call
                    raised.append(error)
                    own.cancel()

            request = Request(size=ctypes.sizeof(Request), task=_encoded(task), canceller=own._handle)
            if prefixes is not None:
                request.prefixes = _array(prefixes)
            if glossary is not None:
                request.glossary = glossary._handle
            if forbidden is not None:
                request.forbidden = _array(forbidden)
                request.num_forbidden = len(forbidden)
            request.replace_unknowns = int(replace_unknowns)
            request.word_scores = int(word_scores)
            request.alignments = int(alignments)
            if on_partial is not None:
                request.on_partial = PartialCallback(tell)
            arguments = (self._handle, _array(many), len(many), _encoded(source), _encoded(target), ctypes.byref(request))

            def call() -> list[Translation]:
                results = library.polymoe_translate(*arguments)
                try:
                    if raised:
                        raise raised[0]
                    _checked(results)
                    return [_translation(results, line) for line in range(len(many))]
                finally:
                    library.polymoe_results_free(results)

            translations = _interruptible(call, own)
        return translations[0] if isinstance(lines, str) else translations

    def score(self, lines: Sequence[str], translations: Sequence[str], source: str, target: str, *,
              task: str = "translation", canceller: Optional[Canceller] = None) -> list[Score]:
        """Scores one translation of each line."""
        if isinstance(lines, str) or isinstance(translations, str):
            raise TypeError("lists of strings are wanted, not one string")
        lines, translations = list(lines), list(translations)
        if len(lines) != len(translations):
            raise ValueError(f"{len(translations)} translations of {len(lines)} lines")
        with (canceller or Canceller())._of_call() as own:
            request = Request(size=ctypes.sizeof(Request), task=_encoded(task), canceller=own._handle)
            arguments = (self._handle, _array(lines), _array(translations), len(lines), _encoded(source),
                         _encoded(target), ctypes.byref(request))

            def call() -> list[Translation]:
                results = _checked(library.polymoe_score_translations(*arguments))
                try:
                    return [_translation(results, line) for line in range(len(lines))]
                finally:
                    library.polymoe_results_free(results)

            scored = [translation.hypotheses[0] for translation in _interruptible(call, own)]
        return [Score(one.log_probability, one.score, one.word_scores) for one in scored]


def _interruptible(call: Callable[[], list[Translation]], canceller: Canceller) -> list[Translation]:
    """What `call` gives. Python answers Ctrl-C in the main thread, which must not be in the library then."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    with ThreadPoolExecutor(1) as other:
        future = other.submit(call)
        try:
            return future.result()
        except KeyboardInterrupt:
            canceller.cancel()
            raise


def _array(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(texts))(*map(_encoded, texts))


def _hypothesis(results: int, line: int, rank: int) -> Hypothesis:
    count = ctypes.c_size_t()
    word_scores = library.polymoe_word_scores(results, line, rank, ctypes.byref(count))[:count.value]
    alignment: list[list[float]] = []
    while row := library.polymoe_alignment(results, line, rank, len(alignment), ctypes.byref(count)):
        alignment.append(row[:count.value])
    return Hypothesis(
        text=library.polymoe_text(results, line, rank).decode(errors="replace"),
        score=library.polymoe_score(results, line, rank),
        log_probability=library.polymoe_log_probability(results, line, rank),
        cut_off=bool(library.polymoe_cut_off(results, line, rank)),
        unmet_terms=library.polymoe_unmet_terms(results, line, rank),
        keeps_placeholders=bool(library.polymoe_keeps_placeholders(results, line, rank)),
        forbidden_phrases=library.polymoe_forbidden_phrases(results, line, rank),
        word_scores=word_scores,
        alignment=alignment,
    )


def _translation(results: int, line: int) -> Translation:
    count = library.polymoe_num_translations(results, line)
    return Translation(
        hypotheses=[_hypothesis(results, line, rank) for rank in range(count)],
        unknown_tokens=library.polymoe_unknown_tokens(results, line),
        read_whole=bool(library.polymoe_read_whole(results, line)),
    )
