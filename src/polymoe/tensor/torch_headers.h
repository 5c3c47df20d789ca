#pragma once

// The part of LibTorch that the system uses: tensors and their functions, autograd, modules. It is the precompiled
// header; sources include it in place of <torch/torch.h>, which costs half as much again.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
