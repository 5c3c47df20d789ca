#!/usr/bin/env python3
"""Decoding by transformers, CTranslate2 and Marian, on the CPU: the same random weights, sources and number of tokens as
ours.

  --make FOLDER    writes a model and its sources: for ours (model-float32.safetensors, model-int8.safetensors,
                   model.json), for transformers and, where the model is dense, for CTranslate2 in float32 and int8 and
                   for Marian
  --model FOLDER   times the peers with it and prints one JSON object on stdout

Dense models are M2M100's, those with experts NLLB-MoE's with two experts for each token. The end of sentence is made
impossible, so that all write as many tokens.
"""

import json
import pathlib
import resource
import time

import common
import marian_model

options = common.parser(__doc__)
options.add_argument("--make", type=pathlib.Path, help="folder to write")
options.add_argument("--model", type=pathlib.Path, help="folder to read")
options.add_argument("--peer", choices=["transformers", "ctranslate2", "marian"], default="ctranslate2", help="which is timed")
options.add_argument("--weights", choices=["float32", "int8"], default="float32", help="of CTranslate2 and Marian")
for name, default in {"layers": 6, "hidden": 512, "ffn": 2048, "heads": 8, "vocabulary": 6000, "experts": 0, "every": 2,
                      "sentences": 64, "beam": 4, "length": 20}.items():
    options.add_argument(f"--{name}", type=int, default=default, help=" ")
arguments = common.parse(options)
results = common.claim_stdout()

END, UNKNOWN, FIRST_ID, MOST_SENTENCES = 2, 3, 4, 64


def configuration():
    sizes = {"vocab_size": arguments.vocabulary, "d_model": arguments.hidden, "encoder_layers": arguments.layers,
             "decoder_layers": arguments.layers, "encoder_ffn_dim": arguments.ffn, "decoder_ffn_dim": arguments.ffn,
             "encoder_attention_heads": arguments.heads, "decoder_attention_heads": arguments.heads,
             "activation_function": "relu", "max_position_embeddings": 256, "decoder_start_token_id": END,
             "dropout": 0.0, "attention_dropout": 0.0, "init_std": 0.08}
    if arguments.experts == 0:
        return transformers.M2M100Config(**sizes)
    return transformers.NllbMoeConfig(**sizes, num_experts=arguments.experts, encoder_sparse_step=arguments.every,
                                      decoder_sparse_step=arguments.every, expert_capacity=1 << 20,
                                      moe_token_dropout=0.0)


def our_name(name):
    """Where a tensor of theirs goes in ours: a name, and a place among those that are joined there."""
    if name == "model.shared.weight":
        return "embedding", 0
    name = name.removeprefix("model.")
    name = name.replace("decoder.layer_norm.", "decoder.norm.").replace("encoder.layer_norm.", "encoder.norm.")
    name = name.replace(".self_attn_layer_norm.", ".self_attention_norm.")
    for norm in ("encoder_attn_layer_norm", "cross_attention_layer_norm"):
        name = name.replace(f".{norm}.", ".cross_attention_norm.")
    for norm in ("final_layer_norm", "ff_layer_norm"):
        name = name.replace(f".{norm}.", ".feed_forward.norm.")
    name = name.replace(".ffn.router.classifier.", ".feed_forward.moe.gate.")
    if ".ffn.experts.expert_" in name:
        layer, expert = name.split(".ffn.experts.expert_")
        number, matrix, kind = expert.split(".")
        return f"{layer}.feed_forward.moe.experts.{number}.{ {'fc1': 'up', 'fc2': 'down'}[matrix]}_{kind}", 0
    name = name.replace(".ffn.fc", ".fc")
    for theirs, ours in {".fc1.": ".feed_forward.ffn.up.", ".fc2.": ".feed_forward.ffn.down."}.items():
        name = name.replace(theirs, ours)
    for theirs, ours, joined in ((".self_attn.", ".self_attention.", ("qkv", "q k v".split())),
                                 (".encoder_attn.", ".cross_attention.", ("kv", "k v".split())),
                                 (".cross_attention.", ".cross_attention.", ("kv", "k v".split()))):
        for i, part in enumerate(joined[1]):
            if f"{theirs}{part}_proj." in name:
                return name.replace(f"{theirs}{part}_proj.", f"{ours}{joined[0]}."), i
        name = name.replace(f"{theirs}q_proj.", f"{ours}q.").replace(f"{theirs}out_proj.", f"{ours}out.")
    return name, 0


def our_weights(model):
    parts = {}
    for name, value in model.state_dict().items():
        if "embed_" in name or name.startswith("lm_head"):
            continue
        ours, place = our_name(name)
        parts.setdefault(ours, {})[place] = value
    return {name: torch.cat([pieces[i] for i in sorted(pieces)]).contiguous() for name, pieces in parts.items()}


def rounded(weights):
    """As `polymoe quantize` stores them: int8 and a scale for each output; norms, biases and gates as they are."""
    stored = {}
    for name, value in weights.items():
        if value.dim() != 2 or ".gate." in name:
            stored[name] = value
            continue
        scales = value.abs().amax(1) / 127
        stored[name] = (value / scales.clamp_min(1e-30)[:, None]).round().clamp(-127, 127).to(torch.int8)
        stored[name + ".scales"] = scales
    return stored


def make(folder):
    torch.manual_seed(arguments.seed)
    config = configuration()
    kind = transformers.NllbMoeForConditionalGeneration if arguments.experts else \
        transformers.M2M100ForConditionalGeneration
    model = kind(config).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight[END] = 0  # as what Marian starts from
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder / "transformers")
    ours = our_weights(model)
    save_file(ours, folder / "model-float32.safetensors")
    save_file(rounded(ours), folder / "model-int8.safetensors")
    lengths = [15 + i % 11 for i in range(MOST_SENTENCES)]
    sources = [torch.randint(FIRST_ID, arguments.vocabulary, (length - 1,)).tolist() + [END] for length in lengths]
    shape = {name: getattr(arguments, name) for name in ("layers", "hidden", "ffn", "heads", "vocabulary", "experts",
                                                         "every")}
    shape["top_k"] = 2 if arguments.experts else 1
    if not arguments.experts:
        make_dense_peers(model, shape, folder)
    (folder / "model.json").write_text(json.dumps({"shape": shape, "sources": sources}))


def make_dense_peers(model, shape, folder):
    marian_model.write(model, shape, END, UNKNOWN, folder / "marian")
    for weights in ("float32", "int8"):
        spec = M2M100Loader().get_model_spec(model)
        tokens = [str(i) for i in range(arguments.vocabulary)]
        spec.register_source_vocabulary(tokens)
        spec.register_target_vocabulary(tokens)
        spec.config.decoder_start_token = spec.config.eos_token = str(END)
        spec.config.unk_token = str(UNKNOWN)
        spec.config.bos_token = "0"
        spec.validate()
        spec.optimize(quantization=weights)
        spec.save(make_folder(folder / f"ctranslate2-{weights}"))


def make_folder(path):
    path.mkdir(exist_ok=True)
    return str(path)


def read_sources():
    return json.loads((arguments.model / "model.json").read_text())["sources"][:arguments.sentences]


def ctranslate2_peer():
    translator = ctranslate2.Translator(str(arguments.model / f"ctranslate2-{arguments.weights}"), device="cpu",
                                        compute_type=arguments.weights, inter_threads=1,
                                        intra_threads=arguments.threads)
    sources = [[str(i) for i in source] for source in read_sources()]

    def decode():
        found = translator.translate_batch(sources, beam_size=arguments.beam, max_batch_size=0,
                                           min_decoding_length=arguments.length, max_decoding_length=arguments.length)
        return [[int(token) for token in result.hypotheses[0]] for result in found]
    return decode, f"CTranslate2 {ctranslate2.__version__}"


def transformers_peer():
    torch.set_num_threads(arguments.threads)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(arguments.model / "transformers").eval()
    sources = read_sources()
    width = max(map(len, sources))
    ids = torch.tensor([source + [1] * (width - len(source)) for source in sources])
    mask = torch.tensor([[1] * len(source) + [0] * (width - len(source)) for source in sources])

    def decode():
        with torch.no_grad():
            found = model.generate(input_ids=ids, attention_mask=mask, num_beams=arguments.beam, do_sample=False,
                                   min_new_tokens=arguments.length, max_new_tokens=arguments.length)
        return found[:, 1:].tolist()
    return decode, f"transformers {transformers.__version__}"


def marian_peer():
    return marian_model.translator(arguments.model / "marian", read_sources(), END, arguments.beam, arguments.length,
                                   arguments.threads, arguments.weights)


def measure():
    begin = time.perf_counter()
    decode, version = {"ctranslate2": ctranslate2_peer, "transformers": transformers_peer,
                       "marian": marian_peer}[arguments.peer]()
    ids = decode()
    start = time.perf_counter() - begin
    seconds = []
    for _ in range(arguments.repeats):
        begin = time.perf_counter()
        decode()
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    shape = json.loads((arguments.model / "model.json").read_text())["shape"]
    common.emit(results, {"shape": shape, "ids": ids, "start_seconds": start, "seconds": seconds, "peak_bytes": peak,
                          "version": version})


if arguments.make:
    import torch
    import transformers
    from ctranslate2.converters.transformers import M2M100Loader
    from safetensors.torch import save_file
    make(arguments.make)
elif arguments.peer == "ctranslate2":
    import ctranslate2
    measure()
elif arguments.peer == "marian":
    import pymarian  # noqa: F401  (before the clock starts)
    measure()
else:
    import torch
    import transformers
    measure()
