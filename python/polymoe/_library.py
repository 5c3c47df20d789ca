"""libpolymoe.so, loaded: the functions of polymoe/polymoe.h."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import pathlib
import re
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_void_p

from ._built import TORCH, TORCH_VERSION  # written when the package is built

LIBS = pathlib.Path(__file__).parent / "libs"
TORCH_LIBRARIES = ("libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so")

PartialCallback = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_char_p, c_size_t, c_int)


class Request(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("task", c_char_p),
        ("prefixes", POINTER(c_char_p)),
        ("glossary", c_void_p),
        ("canceller", c_void_p),
        ("on_partial", PartialCallback),
        ("user", c_void_p),
        ("forbidden", POINTER(c_char_p)),
        ("num_forbidden", c_size_t),
        ("replace_unknowns", c_int),
        ("word_scores", c_int),
        ("alignments", c_int),
    ]


def _torch_folder() -> pathlib.Path:
    """The LibTorch to compute with: a process must not hold two. So it is that of this environment's torch where there is
    one, else the folder `torch` that POLYMOE_TORCH names, else the one that the library was built with."""
    spec = importlib.util.find_spec("torch")
    installed = spec.submodule_search_locations if spec is not None else None
    folder = pathlib.Path(installed[0] if installed else os.environ.get("POLYMOE_TORCH", TORCH))
    if not (folder / "lib/libtorch_cpu.so").exists():
        raise ImportError(
            f"polymoe needs LibTorch {TORCH_VERSION}, which is not in {folder}: install torch {TORCH_VERSION}, "
            "or name the folder 'torch' of one in POLYMOE_TORCH")
    found = re.search(r"__version__ = '([^']*)", (folder / "version.py").read_text())
    version = found[1] if found else "unknown"
    if not version.startswith(TORCH_VERSION + "."):
        raise ImportError(
            f"polymoe was built with LibTorch {TORCH_VERSION}, but torch {version} is in {folder}: install torch "
            f"{TORCH_VERSION}, or build polymoe with that one")
    return folder


def _load() -> ctypes.CDLL:
    # What is loaded already serves those that need it, by its name.
    folder = _torch_folder()
    try:
        for name in TORCH_LIBRARIES:
            if (folder / "lib" / name).exists():
                ctypes.CDLL(str(folder / "lib" / name))
    except OSError:
        importlib.import_module("torch")  # knows where NVIDIA's libraries are
    for path in sorted(LIBS.iterdir()):
        if path.name != "libpolymoe.so":
            ctypes.CDLL(str(path))
    return ctypes.CDLL(str(LIBS / "libpolymoe.so"))


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    texts, size = POINTER(c_char_p), POINTER(c_size_t)
    functions: dict[str, tuple[object, list[object]]] = {
        "polymoe_library_version": (c_char_p, []),
        "polymoe_last_error": (c_char_p, []),
        "polymoe_was_cancelled": (c_int, []),
        "polymoe_options_new": (c_void_p, []),
        "polymoe_options_set": (c_int, [c_void_p, c_char_p, c_char_p]),
        "polymoe_options_free": (None, [c_void_p]),
        "polymoe_load": (c_void_p, [c_char_p, c_void_p]),
        "polymoe_translator_free": (None, [c_void_p]),
        "polymoe_language": (c_char_p, [c_void_p, c_size_t]),
        "polymoe_is_trained": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p]),
        "polymoe_glossary_load": (c_void_p, [c_char_p]),
        "polymoe_glossary_parse": (c_void_p, [c_char_p]),
        "polymoe_glossary_free": (None, [c_void_p]),
        "polymoe_canceller_new": (c_void_p, []),
        "polymoe_cancel": (None, [c_void_p]),
        "polymoe_canceller_free": (None, [c_void_p]),
        "polymoe_translate": (c_void_p, [c_void_p, texts, c_size_t, c_char_p, c_char_p, POINTER(Request)]),
        "polymoe_score_translations": (c_void_p, [c_void_p, texts, texts, c_size_t, c_char_p, c_char_p, POINTER(Request)]),
        "polymoe_results_free": (None, [c_void_p]),
        "polymoe_num_translations": (c_size_t, [c_void_p, c_size_t]),
        "polymoe_text": (c_char_p, [c_void_p, c_size_t, c_size_t]),
        "polymoe_score": (c_double, [c_void_p, c_size_t, c_size_t]),
        "polymoe_log_probability": (c_double, [c_void_p, c_size_t, c_size_t]),
        "polymoe_word_scores": (POINTER(c_double), [c_void_p, c_size_t, c_size_t, size]),
        "polymoe_alignment": (POINTER(c_float), [c_void_p, c_size_t, c_size_t, c_size_t, size]),
        "polymoe_cut_off": (c_int, [c_void_p, c_size_t, c_size_t]),
        "polymoe_keeps_placeholders": (c_int, [c_void_p, c_size_t, c_size_t]),
        "polymoe_unmet_terms": (c_size_t, [c_void_p, c_size_t, c_size_t]),
        "polymoe_forbidden_phrases": (c_size_t, [c_void_p, c_size_t, c_size_t]),
        "polymoe_unknown_tokens": (c_size_t, [c_void_p, c_size_t]),
        "polymoe_read_whole": (c_int, [c_void_p, c_size_t]),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


library = _declare(_load())
