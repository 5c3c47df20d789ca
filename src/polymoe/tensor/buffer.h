#pragma once

#include <ATen/core/Tensor.h>

#include "polymoe/tensor/device_memory.h"

/// Flat buffers whose memory comes and goes while tensors view them.
namespace polymoe {

/// Frees the memory of a flat buffer; views of it stay and are valid again after restore_memory(), whose content is
/// not defined. Does nothing where there is nothing to free or restore.
void free_memory(const at::Tensor& buffer);
void restore_memory(const at::Tensor& buffer, MemoryKind kind, bool on_host = false);
bool has_memory(const at::Tensor& buffer);

}  // namespace polymoe
