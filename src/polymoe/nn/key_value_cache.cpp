#include "polymoe/nn/key_value_cache.h"

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

void KeyValueCache::select_rows(const at::Tensor& rows) {
  const auto pick = [&](const at::Tensor& stored) {
    std::vector<std::int64_t> sizes = stored.sizes().vec();
    sizes[0] = rows.size(0);
    at::Tensor picked = at::empty(sizes, stored.options());
    picked.narrow(2, 0, length).copy_(stored.narrow(2, 0, length).index_select(0, rows));
    return picked;
  };
  keys = pick(keys);
  values = pick(values);
}

}  // namespace polymoe
