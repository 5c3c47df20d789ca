#include "polymoe/tensor/buffer.h"

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

bool has_memory(const at::Tensor& buffer) { return buffer.storage().data() != nullptr; }

void free_memory(const at::Tensor& buffer) {
  buffer.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(c10::DataPtr(nullptr, buffer.device()));
}

void restore_memory(const at::Tensor& buffer, MemoryKind kind, bool on_host) {
  if (has_memory(buffer)) return;
  const MemoryScope scope(kind, on_host);
  c10::StorageImpl& storage = *buffer.storage().unsafeGetStorageImpl();
  storage.set_data_ptr_noswap(storage.allocator()->allocate(storage.nbytes()));
}

}  // namespace polymoe
