#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "polymoe/kernels/cuda/routing.h"
#include "polymoe/kernels/host_device.h"
#include "polymoe/kernels/routing_rank.h"

/// What the kernels of routing.cu do, without what only a GPU has. Functions of whole blocks are written in phases
/// against a Block, which is the GPU's or a simulated one:
///   Block::kThreads        the number of threads, and of assignments in a chunk
///   each(f)                f(thread) for each thread; all have finished it before any goes on
///   add_one(counter)       counter += 1, by many threads at a time
/// Between the phases stands only what all threads do alike. Within one, no thread reads what another one writes.
namespace polymoe::kernels::cuda::routing {

/// One routing: what goes in, what comes out, and what its kernels hand on to one another.
struct Work {
  const std::int64_t* expert_ids;
  TokenRanges tokens;
  std::int64_t assignments, experts, capacity, slots;  // `slots` is most_slots()
  std::int64_t chunks;
  TokenSelection selection;
  int rank_bits;  // a multiple of kDigitBits; ranks have no others
  RoutingBuffers out;
  std::uint64_t* ranks;   // [assignments], beside `sorted`; only of experts over capacity
  std::int32_t* sorted;   // [assignments]; those of one expert together, in order; only with a capacity
  std::int32_t* earlier;  // [assignments]; how many of the same expert stand before it in its chunk
  std::int32_t* begin;    // [experts]; where the expert's assignments begin in `sorted`
  std::int32_t* counts;   // [experts, chunks]; the assignments in each chunk, then those in the chunks before
};

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;

/// At least one, so that experts without assignments need no care.
constexpr std::int64_t chunks_of(std::int64_t assignments, std::int64_t chunk) {
  return std::max<std::int64_t>((assignments + chunk - 1) / chunk, 1);
}

constexpr std::size_t workspace_bytes(std::int64_t assignments, std::int64_t experts, std::int64_t chunk) {
  const std::int64_t small = 2 * assignments + experts * (1 + chunks_of(assignments, chunk));
  return sizeof(std::uint64_t) * static_cast<std::size_t>(assignments) +
         sizeof(std::int32_t) * static_cast<std::size_t>(small);
}

inline Work make_work(const std::int64_t* expert_ids, const TokenRanges& tokens, std::int64_t experts,
                      std::int64_t capacity, const TokenSelection& selection, const RoutingBuffers& out,
                      std::int64_t chunk) {
  Work work{};
  work.expert_ids = expert_ids;
  work.tokens = tokens;
  work.assignments = tokens.assignments;
  work.experts = experts;
  work.capacity = capacity;
  work.slots = most_slots(work.assignments, experts, capacity);
  work.chunks = chunks_of(work.assignments, chunk);
  work.selection = selection;
  const std::int64_t most_choices = tokens.begin == nullptr ? tokens.each : experts;
  const int choice_bits = std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(most_choices - 1, 0)));
  work.rank_bits = selection.enabled ? 64 : (choice_bits + kDigitBits - 1) / kDigitBits * kDigitBits;
  work.out = out;
  work.ranks = static_cast<std::uint64_t*>(out.workspace);
  work.sorted = reinterpret_cast<std::int32_t*>(work.ranks + work.assignments);
  work.earlier = work.sorted + work.assignments;
  work.begin = work.earlier + work.assignments;
  work.counts = work.begin + experts;
  return work;
}

/// Two counts in one number, which add up side by side.
constexpr std::uint64_t pair_of(std::int64_t first, std::int64_t second) {
  return static_cast<std::uint64_t>(first) | (static_cast<std::uint64_t>(second) << 32);
}
constexpr std::int64_t first_of(std::uint64_t pair) { return static_cast<std::int64_t>(pair & 0xFFFFFFFFu); }
constexpr std::int64_t second_of(std::uint64_t pair) { return static_cast<std::int64_t>(pair >> 32); }

/// Calls visit(i, sum of the values before i, value of i) for each i in [0, count). `value` is called twice for each;
/// each thread takes a run of neighbours, one after the other.
template <typename Block, typename Value, typename Visit>
POLYMOE_HOST_DEVICE void scan(const Block& block, std::uint64_t (&sums)[2][Block::kThreads], std::int64_t count,
                              Value value, Visit visit) {
  const std::int64_t run = (count + Block::kThreads - 1) / Block::kThreads;
  block.each([&](int thread) {
    const std::int64_t end = std::min((thread + 1) * run, count);
    std::uint64_t sum = 0;
    for (std::int64_t i = thread * run; i < end; ++i) sum += value(i);
    sums[0][thread] = sum;
  });
  int now = 0;
  for (int distance = 1; distance < Block::kThreads; distance *= 2) {
    block.each([&](int thread) {
      sums[1 - now][thread] = sums[now][thread] + (thread >= distance ? sums[now][thread - distance] : 0u);
    });
    now = 1 - now;
  }
  block.each([&](int thread) {
    const std::int64_t end = std::min((thread + 1) * run, count);
    std::uint64_t before = thread > 0 ? sums[now][thread - 1] : 0u;
    for (std::int64_t i = thread * run; i < end; ++i) {
      const std::uint64_t own = value(i);
      visit(i, before, own);
      before += own;
    }
  });
}

/// First: a block for each chunk writes its `counts` and `earlier`.
template <typename Block>
struct ChunkMemory {
  std::int32_t ids[Block::kThreads];
};
template <typename Block>
POLYMOE_HOST_DEVICE void count_chunk(const Block& block, ChunkMemory<Block>& shared, const Work& work,
                                     std::int64_t chunk) {
  const std::int64_t first = chunk * Block::kThreads;
  const int count = static_cast<int>(std::min<std::int64_t>(work.assignments - first, Block::kThreads));
  block.each([&](int thread) {
    if (thread < count) {
      shared.ids[thread] = static_cast<std::int32_t>(work.expert_ids[first + thread]);
      // Assignments to no expert leave slots beyond the others'.
      if (work.capacity == 0) work.out.slot_token[first + thread] = 0;
    }
    for (std::int64_t e = thread; e < work.experts; e += Block::kThreads) work.counts[e * work.chunks + chunk] = 0;
  });
  block.each([&](int thread) {
    if (thread >= count || shared.ids[thread] < 0) return;
    const std::int32_t expert = shared.ids[thread];
    std::int32_t earlier = 0;
    for (int other = 0; other < thread; ++other) earlier += shared.ids[other] == expert ? 1 : 0;
    work.earlier[first + thread] = earlier;
    // The chunk's last assignment of an expert knows how many there are: no atomics.
    int later = thread + 1;
    while (later < count && shared.ids[later] != expert) ++later;
    if (later == count) work.counts[expert * work.chunks + chunk] = earlier + 1;
  });
}

template <typename Block>
struct ScanMemory {
  std::uint64_t sums[2][Block::kThreads];
};

/// Second: a block for each expert turns its `counts` into those of the chunks before; writes `assigned`.
template <typename Block>
POLYMOE_HOST_DEVICE void scan_chunks(const Block& block, ScanMemory<Block>& shared, const Work& work,
                                     std::int64_t expert) {
  std::int32_t* counts = work.counts + expert * work.chunks;
  scan(
      block, shared.sums, work.chunks, [&](std::int64_t i) { return static_cast<std::uint64_t>(counts[i]); },
      [&](std::int64_t i, std::uint64_t before, std::uint64_t own) {
        counts[i] = static_cast<std::int32_t>(before);
        if (i + 1 == work.chunks) work.out.assigned[expert] = static_cast<std::int64_t>(before + own);
      });
}

/// Third: one block writes `begin` and `expert_end`.
template <typename Block>
POLYMOE_HOST_DEVICE void scan_experts(const Block& block, ScanMemory<Block>& shared, const Work& work) {
  scan(
      block, shared.sums, work.experts,
      [&](std::int64_t expert) {
        const std::int64_t assigned = work.out.assigned[expert];
        return pair_of(assigned, work.capacity > 0 ? std::min(assigned, work.capacity) : assigned);
      },
      [&](std::int64_t expert, std::uint64_t before, std::uint64_t own) {
        work.begin[expert] = static_cast<std::int32_t>(first_of(before));
        work.out.expert_end[expert] = static_cast<std::int32_t>(second_of(before + own));
      });
}

/// Fourth: each assignment goes to its place in `sorted`. Without a capacity that is its slot, and all is done.
template <typename Block>
POLYMOE_HOST_DEVICE void place_assignment(const Work& work, std::int64_t assignment) {
  const std::int64_t expert = work.expert_ids[assignment];
  if (expert < 0) {
    work.out.slot_of[assignment] = -1;
    return;
  }
  const std::int64_t place = std::int64_t{work.begin[expert]} +
                             work.counts[expert * work.chunks + assignment / Block::kThreads] +
                             work.earlier[assignment];
  if (work.capacity == 0) {
    work.out.slot_of[assignment] = place;
    work.out.slot_token[place] = work.tokens.token_of(assignment);
    return;
  }
  work.sorted[place] = static_cast<std::int32_t>(assignment);
  if (work.out.assigned[expert] > work.capacity) {
    work.ranks[place] = routing_rank(assignment, work.tokens, work.selection);
  }
}

/// Which members of an expert over capacity stay, told by the bits of their ranks from `shift` on: those below
/// `prefix`, and the first `wanted` of those equal to it.
struct Cut {
  std::uint64_t prefix;
  std::int64_t wanted;
  std::int64_t equal;  // how many are equal
  int shift;
};

POLYMOE_HOST_DEVICE constexpr std::uint64_t bits_from(int shift, std::uint64_t rank) {
  return shift < 64 ? rank >> shift : 0;
}

template <typename Block>
struct ExpertMemory {
  std::uint64_t sums[2][Block::kThreads];
  unsigned digits[kDigits];
  Cut cut;
};

/// Finds the cut digit by digit from the highest one. All digits seen, those equal have equal ranks and the first ones
/// stay; if all of them are wanted, the digits below do not matter.
template <typename Block>
POLYMOE_HOST_DEVICE Cut find_cut(const Block& block, ExpertMemory<Block>& shared, const std::uint64_t* ranks,
                                 std::int64_t members, std::int64_t capacity, int rank_bits) {
  Cut cut{0, capacity, members, rank_bits};
  while (cut.shift > 0 && cut.wanted < cut.equal) {
    const int shift = cut.shift - kDigitBits;
    block.each([&](int thread) {
      for (int digit = thread; digit < kDigits; digit += Block::kThreads) shared.digits[digit] = 0;
    });
    block.each([&](int thread) {
      for (std::int64_t i = thread; i < members; i += Block::kThreads) {
        const std::uint64_t rank = ranks[i];
        if (bits_from(cut.shift, rank) == cut.prefix) block.add_one(shared.digits[(rank >> shift) % kDigits]);
      }
    });
    scan(
        block, shared.sums, kDigits, [&](std::int64_t digit) { return std::uint64_t{shared.digits[digit]}; },
        [&](std::int64_t digit, std::uint64_t before, std::uint64_t own) {
          const std::int64_t wanted = cut.wanted - static_cast<std::int64_t>(before);
          const auto equal = static_cast<std::int64_t>(own);
          if (wanted < 1 || wanted > equal) return;  // true for all digits but one
          shared.cut = {(cut.prefix << kDigitBits) | static_cast<std::uint64_t>(digit), wanted, equal, shift};
        });
    cut = shared.cut;  // written again only after the next pass has met
  }
  return cut;
}

/// Fifth, with a capacity: a block for each expert writes its part of `slot_of` and `slot_token`, and all of them
/// together what lies beyond the slots.
template <typename Block>
POLYMOE_HOST_DEVICE void keep_members(const Block& block, ExpertMemory<Block>& shared, const Work& work,
                                      std::int64_t expert) {
  const std::int64_t first_slot = expert > 0 ? work.out.expert_end[expert - 1] : 0;
  const std::int64_t members = work.out.assigned[expert];
  const std::int32_t* sorted = work.sorted + work.begin[expert];
  block.each([&](int thread) {
    for (std::int64_t slot = work.out.expert_end[work.experts - 1] + expert * Block::kThreads + thread;
         slot < work.slots; slot += work.experts * Block::kThreads) {
      work.out.slot_token[slot] = 0;
    }
    if (members > work.capacity) return;
    for (std::int64_t i = thread; i < members; i += Block::kThreads) {
      work.out.slot_of[sorted[i]] = first_slot + i;
      work.out.slot_token[first_slot + i] = work.tokens.token_of(sorted[i]);
    }
  });
  if (members <= work.capacity) return;

  const std::uint64_t* ranks = work.ranks + work.begin[expert];
  const Cut cut = find_cut(block, shared, ranks, members, work.capacity, work.rank_bits);
  scan(
      block, shared.sums, members,
      [&](std::int64_t i) {
        const std::uint64_t bits = bits_from(cut.shift, ranks[i]);
        return pair_of(bits < cut.prefix ? 1 : 0, bits == cut.prefix ? 1 : 0);
      },
      [&](std::int64_t i, std::uint64_t before, std::uint64_t own) {
        const bool kept = first_of(own) > 0 || (second_of(own) > 0 && second_of(before) < cut.wanted);
        const std::int64_t slot = first_slot + first_of(before) + std::min(second_of(before), cut.wanted);
        work.out.slot_of[sorted[i]] = kept ? slot : -1;
        if (kept) work.out.slot_token[slot] = work.tokens.token_of(sorted[i]);
      });
}

}  // namespace polymoe::kernels::cuda::routing
