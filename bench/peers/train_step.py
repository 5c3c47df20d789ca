#!/usr/bin/env python3
"""Times training steps (forward, loss, backward, Adam) of Hugging Face's NllbMoe on the CPU, float32, eager.

Label-smoothed cross entropy over full sequences, no padding, no layer dropout and no balance loss (its own pays for
nothing here). Its router always picks two experts; the capacity given bounds the second choices, so that no more
rows are computed than top-1 would. Prints one JSON object on stdout.
"""

import math

import common

options = common.parser(__doc__)
options.add_argument("--encoder-layers", type=int, default=3)
options.add_argument("--decoder-layers", type=int, default=3)
options.add_argument("--hidden", type=int, default=512)
options.add_argument("--ffn", type=int, default=2048)
options.add_argument("--heads", type=int, default=8)
options.add_argument("--vocabulary", type=int, default=8000)
options.add_argument("--experts", type=int, default=8)
options.add_argument("--every", type=int, default=2, help="an MoE layer in place of every n-th feed-forward layer")
options.add_argument("--capacity-factor", type=float, default=1.0)
options.add_argument("--rows", type=int, default=64, help="sentence pairs of the batch")
options.add_argument("--source-length", type=int, default=32)
options.add_argument("--target-length", type=int, default=32)
options.add_argument("--dropout", type=float, default=0.1)
options.add_argument("--label-smoothing", type=float, default=0.1)
arguments = common.parse(options)
results = common.claim_stdout()

import torch
import transformers
from transformers import NllbMoeConfig, NllbMoeForConditionalGeneration

torch.set_num_threads(arguments.threads)
torch.manual_seed(arguments.seed)

routed_tokens = arguments.rows * max(arguments.source_length, arguments.target_length)
model = NllbMoeForConditionalGeneration(
    NllbMoeConfig(
        vocab_size=arguments.vocabulary,
        d_model=arguments.hidden,
        encoder_layers=arguments.encoder_layers,
        decoder_layers=arguments.decoder_layers,
        encoder_ffn_dim=arguments.ffn,
        decoder_ffn_dim=arguments.ffn,
        encoder_attention_heads=arguments.heads,
        decoder_attention_heads=arguments.heads,
        activation_function="relu",
        num_experts=arguments.experts,
        encoder_sparse_step=arguments.every,
        decoder_sparse_step=arguments.every,
        expert_capacity=math.ceil(routed_tokens / arguments.experts * arguments.capacity_factor),
        dropout=arguments.dropout,
        attention_dropout=0.0,
        activation_dropout=0.0,
        moe_token_dropout=0.0,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
    )
).train()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)

first_id = 4  # the ids below are special
source = torch.randint(first_id, arguments.vocabulary, (arguments.rows, arguments.source_length))
target = torch.randint(first_id, arguments.vocabulary, (arguments.rows, arguments.target_length + 1))


def step():
    logits = model(input_ids=source, decoder_input_ids=target[:, :-1], use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), target[:, 1:].flatten(), label_smoothing=arguments.label_smoothing
    )
    loss.backward()
    optimizer.step()


name = "nllb-moe"
seconds = common.interleave({name: (step, optimizer.zero_grad)}, arguments.repeats, arguments.warmup)[name]
source_tokens, target_tokens = source.numel(), arguments.rows * arguments.target_length
shape_options = (
    "encoder_layers decoder_layers hidden ffn heads vocabulary experts every capacity_factor rows source_length"
    " target_length dropout"
)
common.emit(
    results,
    {
        "shape": {key: getattr(arguments, key) for key in shape_options.split()},
        "threads": arguments.threads,
        "torch": torch.__version__,
        "peer": name,
        "version": transformers.__version__,
        "note": f"top-2 within expert_capacity {model.config.expert_capacity}, torch.optim.Adam(fused=True)",
        "parameters": sum(value.numel() for value in model.parameters()),
        "seconds": seconds,
        "source_tokens": source_tokens,
        "target_tokens": target_tokens,
    },
)
