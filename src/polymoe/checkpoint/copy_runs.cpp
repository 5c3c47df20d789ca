#include "polymoe/checkpoint/copy_runs.h"

#include <algorithm>
#include <cstring>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/checkpoint/dtype.h"

namespace polymoe {
namespace {

void check_runs(const TensorSpec& spec, std::int64_t elements, const std::vector<Run>& runs, std::int64_t Run::*begin) {
  for (const Run& run : runs) {
    const std::int64_t first = run.*begin;
    if (run.count >= 0 && first >= 0 && first <= elements && run.count <= elements - first) continue;
    fail("tensor {}: a run of {} elements from {} does not lie within {} elements", in_quotes(spec.name), run.count,
         first, elements);
  }
}

/// Both sides are of one type.
void copy_bytes(const StoredTensor& stored, const at::Tensor& local, const std::vector<Run>& runs) {
  const auto width = static_cast<std::int64_t>(dtype_bytes(stored.spec.dtype));
  auto* const to = static_cast<std::byte*>(local.mutable_data_ptr());
  for (const Run& run : runs) {
    if (run.count == 0) continue;  // an empty tensor may have no memory
    std::memcpy(to + run.local * width, stored.bytes.data() + run.logical * width,
                static_cast<std::size_t>(run.count * width));
  }
}

/// Runs that follow each other here are converted together, through a buffer of the file's type.
void convert(const StoredTensor& stored, const at::Tensor& local, const std::vector<Run>& runs) {
  constexpr std::int64_t kBuffer = std::int64_t{1} << 18;
  const auto width = static_cast<std::int64_t>(dtype_bytes(stored.spec.dtype));
  const at::Tensor flat = local.view({local.numel()});
  const at::Tensor buffer = at::empty({std::min(kBuffer, local.numel())}, scalar_type(stored.spec.dtype));
  auto* const bytes = static_cast<std::byte*>(buffer.mutable_data_ptr());
  std::int64_t begin = 0, filled = 0;  // the buffer holds elements [begin, begin + filled) of `local`
  const auto flush = [&] {
    if (filled > 0) flat.narrow(0, begin, filled).copy_(buffer.narrow(0, 0, filled));
    filled = 0;
  };
  for (const Run& run : runs) {
    for (std::int64_t done = 0; done < run.count;) {
      if (filled == buffer.numel() || run.local + done != begin + filled) flush();
      if (filled == 0) begin = run.local + done;
      const std::int64_t count = std::min(run.count - done, buffer.numel() - filled);
      std::memcpy(bytes + filled * width, stored.bytes.data() + (run.logical + done) * width,
                  static_cast<std::size_t>(count * width));
      filled += count;
      done += count;
    }
  }
  flush();
}

}  // namespace

void check_logical_runs(const TensorSpec& spec, const std::vector<Run>& runs) {
  check_runs(spec, num_elements(spec), runs, &Run::logical);
}

void check_local_runs(const TensorSpec& spec, std::int64_t elements, const std::vector<Run>& runs) {
  check_runs(spec, elements, runs, &Run::local);
}

void copy_runs(const StoredTensor& stored, const at::Tensor& local, const std::vector<Run>& runs) {
  const at::Tensor target = local.detach();
  const TensorSpec& spec = stored.spec;
  const c10::ScalarType type = scalar_type(spec.dtype);
  if (!target.is_contiguous()) fail("tensor {} is to be read into one that is not contiguous", in_quotes(spec.name));
  if (type != target.scalar_type() && !(c10::isFloatingType(type) && target.is_floating_point())) {
    fail("tensor {} holds {}, which cannot be read as {}", in_quotes(spec.name), dtype_name(spec.dtype),
         c10::toString(target.scalar_type()));
  }
  check_logical_runs(spec, runs);
  check_local_runs(spec, target.numel(), runs);
  if (!target.device().is_cpu()) {
    const at::Tensor here = target.to(c10::kCPU);
    copy_runs(stored, here, runs);
    target.copy_(here);
  } else if (type == target.scalar_type()) {
    copy_bytes(stored, target, runs);
  } else {
    convert(stored, target, runs);
  }
}

}  // namespace polymoe
