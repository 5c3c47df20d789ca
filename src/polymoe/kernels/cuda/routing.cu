#include <limits>

#include "polymoe/kernels/cuda/launch.h"
#include "polymoe/kernels/cuda/routing.h"
#include "polymoe/kernels/cuda/routing_work.h"

namespace polymoe::kernels::cuda {
namespace {

// For the host too, without doing anything there: the functions that use it are for both.
struct GpuBlock {
  static constexpr int kThreads = 512;

  template <typename Function>
  POLYMOE_HOST_DEVICE void each([[maybe_unused]] Function function) const {
#ifdef __CUDA_ARCH__
    function(static_cast<int>(threadIdx.x));
    __syncthreads();
#endif
  }
  POLYMOE_HOST_DEVICE void add_one([[maybe_unused]] unsigned& counter) const {
#ifdef __CUDA_ARCH__
    atomicAdd(&counter, 1u);
#endif
  }
};

__global__ void __launch_bounds__(GpuBlock::kThreads) count_chunks_kernel(routing::Work work) {
  __shared__ routing::ChunkMemory<GpuBlock> shared;
  routing::count_chunk(GpuBlock{}, shared, work, blockIdx.x);
}

__global__ void __launch_bounds__(GpuBlock::kThreads) scan_chunks_kernel(routing::Work work) {
  __shared__ routing::ScanMemory<GpuBlock> shared;
  routing::scan_chunks(GpuBlock{}, shared, work, blockIdx.x);
}

__global__ void __launch_bounds__(GpuBlock::kThreads) scan_experts_kernel(routing::Work work) {
  __shared__ routing::ScanMemory<GpuBlock> shared;
  routing::scan_experts(GpuBlock{}, shared, work);
}

__global__ void place_assignments_kernel(routing::Work work) {
  for (std::int64_t assignment = thread_of_grid(); assignment < work.assignments; assignment += threads_of_grid()) {
    routing::place_assignment<GpuBlock>(work, assignment);
  }
}

__global__ void __launch_bounds__(GpuBlock::kThreads) keep_members_kernel(routing::Work work) {
  __shared__ routing::ExpertMemory<GpuBlock> shared;
  routing::keep_members(GpuBlock{}, shared, work, blockIdx.x);
}

}  // namespace

std::size_t routing_workspace_bytes(std::int64_t assignments, std::int64_t experts) {
  return routing::workspace_bytes(assignments, experts, GpuBlock::kThreads);
}

void plan_routing(const std::int64_t* expert_ids, const TokenRanges& tokens, std::int64_t experts,
                  std::int64_t capacity, const TokenSelection& selection, const RoutingBuffers& out, Stream stream) {
  if (tokens.assignments > std::numeric_limits<std::int32_t>::max()) {
    throw std::runtime_error("the GPU routes at most 2^31 - 1 assignments of tokens to experts at a time");
  }
  if (experts == 0) return;
  const routing::Work work =
      routing::make_work(expert_ids, tokens, experts, capacity, selection, out, GpuBlock::kThreads);
  const auto chunk_blocks = static_cast<unsigned>(work.chunks);
  const auto expert_blocks = static_cast<unsigned>(experts);
  count_chunks_kernel<<<chunk_blocks, GpuBlock::kThreads, 0, stream>>>(work);
  check_launch("count_chunks");
  scan_chunks_kernel<<<expert_blocks, GpuBlock::kThreads, 0, stream>>>(work);
  check_launch("scan_chunks");
  scan_experts_kernel<<<1, GpuBlock::kThreads, 0, stream>>>(work);
  check_launch("scan_experts");
  place_assignments_kernel<<<blocks_for(work.assignments), kThreads, 0, stream>>>(work);
  check_launch("place_assignments");
  if (capacity == 0) return;
  keep_members_kernel<<<expert_blocks, GpuBlock::kThreads, 0, stream>>>(work);
  check_launch("keep_members");
}

}  // namespace polymoe::kernels::cuda
