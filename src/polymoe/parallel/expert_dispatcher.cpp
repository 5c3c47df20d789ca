#include "polymoe/parallel/expert_dispatcher.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "polymoe/parallel/async_all_to_all.h"
#include "polymoe/parallel/linear_map.h"
#include "polymoe/parallel/model_parts.h"
#include "polymoe/tensor/host_copy.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using Counts = std::vector<std::int64_t>;

Counts parts_of(const Counts& counts, std::int64_t index, std::int64_t parts) {
  Counts result;
  for (const std::int64_t count : counts) result.push_back(part_of(count, parts, index).count);
  return result;
}

at::Tensor index_tensor(const Counts& values, const at::Device& device) {
  return send_to(at::tensor(values, at::kLong), device);
}

at::Tensor permute_rows(const at::Tensor& rows, const at::Tensor& order) {
  return linear_map(
      rows, [order](const at::Tensor& x) { return x.index_select(0, order); },
      [order](const at::Tensor& grad) { return at::empty_like(grad).index_copy_(0, order, grad); });
}

at::Tensor permute_rows_back(const at::Tensor& rows, const at::Tensor& order) {
  return linear_map(
      rows, [order](const at::Tensor& x) { return at::empty_like(x).index_copy_(0, order, x); },
      [order](const at::Tensor& grad) { return grad.index_select(0, order); });
}

// A run of the experts here, and its tokens on their way. Counts are rows.
struct ExpertRun {
  std::int64_t first = 0;  // among the experts here
  std::int64_t experts = 0;
  std::int64_t experts_here = 0;  // of the layer, in all runs
  Counts arriving;                // [source][expert of the run], all shares together
  Counts slice_counts;            // [model], received rows of each member's share; empty unless slices gather them
  at::Tensor expert_order;        // sorts received rows by expert; undefined when they are sorted already
  std::shared_ptr<AsyncAllToAll> there, back;  // null at expert degree 1
  at::Tensor under_way;                        // what departed and has not arrived
};

// Where this process stands in the layout, and what it exchanges rows with.
struct Site {
  Communicator& tensor_group;
  std::int64_t expert_degree, expert_rank;
  std::int64_t model, tensor_rank;
  bool slices;  // experts are cut along the tensor group
  std::int64_t most_runs;
  std::unique_ptr<RowAllToAll> exchange;
};

// Experts whole, or with model = 1, or sliced with expert > 1.
class ExpertDispatch : public Dispatch {
 public:
  ExpertDispatch(const Site& site, const at::Tensor& x, const Routing& routing, std::uint64_t micro_batch)
      : site_(site), routing_(routing), micro_batch_(micro_batch) {
    make_runs(routing.assignments.experts / site_.expert_degree);
    const Counts own = slot_counts(*routing.plan);
    send(to_parts(tokens_to_slots(x, routing), own), own);
  }

  std::vector<std::int64_t> runs() const override {
    Counts sizes;
    for (const ExpertRun& run : runs_) sizes.push_back(run.experts);
    return sizes;
  }

  ExpertInputs receive(std::size_t index) override {
    ExpertRun& run = runs_[index];
    at::Tensor rows = std::exchange(run.under_way, {});
    if (site_.expert_degree > 1) {
      const RowMap unpack = [&](const at::Tensor& received) { return unpack_limited(received, run); };
      rows = finish_all_to_all(rows, run.there, routing_.limit.capacity > 0 ? unpack : RowMap());
    }
    if (site_.slices) {
      for (std::int64_t m = 0; m < site_.model; ++m) {
        run.slice_counts.push_back(sum_of(parts_of(run.arriving, m, site_.model)));
      }
      rows = gather_for_slices(rows, run.slice_counts, site_.tensor_group);
    }
    ExpertInputs inputs = sort_by_expert(rows.device(), run);
    inputs.rows = run.expert_order.defined() ? permute_rows(rows, run.expert_order) : rows;
    return inputs;
  }

  void send_back(std::size_t index, const at::Tensor& outputs) override {
    ExpertRun& run = runs_[index];
    run.under_way = run.expert_order.defined() ? permute_rows_back(outputs, run.expert_order) : outputs;
    if (site_.slices) run.under_way = sum_of_slices(run.under_way, run.slice_counts, site_.tensor_group);
    if (site_.expert_degree == 1) return;
    run.back = std::make_shared<AsyncAllToAll>();
    run.back->exchange = site_.exchange.get();
    run.back->send = run.there->receive;
    run.back->receive = run.there->send;
    run.back->under_way = site_.exchange->start(run.under_way.detach(), run.back->send, run.back->receive);
    run.under_way = start_all_to_all(run.under_way, run.back);
  }

  at::Tensor combine(const at::Tensor& weights) override {
    std::vector<at::Tensor> parts;
    for (ExpertRun& run : runs_) {
      parts.push_back(site_.expert_degree > 1 ? finish_all_to_all(run.under_way, run.back) : run.under_way);
    }
    at::Tensor rows = parts.size() > 1 ? at::cat(parts) : parts[0];
    if (site_.model > 1) {
      rows = gather_parts(rows, order_, part_counts_, site_.tensor_group);
    } else if (order_.defined()) {
      rows = permute_rows_back(rows, order_);
    }
    return slots_to_tokens(rows, weights, routing_);
  }

 private:
  void make_runs(std::int64_t experts_here) {
    const std::int64_t num_runs = std::min(site_.most_runs, experts_here);
    for (std::int64_t run = 0; run < num_runs; ++run) {
      const Part part = part_of(experts_here, num_runs, run);
      ExpertRun& added = runs_.emplace_back();
      added.first = part.begin;
      added.experts = part.count;
      added.experts_here = experts_here;
    }
  }

  // Begins to send `rows`, run by run; `own` counts this process's slots of every expert.
  void send(const at::Tensor& rows, const Counts& own) {
    // The tokens that each member sends to each expert here, [source][expert].
    const bool counts_first = site_.expert_degree > 1 && routing_.limit.capacity == 0;
    const Counts arriving = counts_first ? exchange_counts(*site_.exchange, own, rows.device()) : own;
    const Counts mine = parts_of(own, site_.tensor_rank, site_.model);
    Counts run_rows;
    for (const ExpertRun& run : runs_) run_rows.push_back(sum_of(counts_of(mine, run)));
    const std::vector<at::Tensor> run_parts =
        runs_.size() > 1 ? rows.split_with_sizes(run_rows) : std::vector<at::Tensor>{rows};
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      ExpertRun& run = runs_[i];
      run.arriving = counts_of(arriving, run);
      run.under_way = run_parts[i];
      if (site_.expert_degree == 1) continue;
      run.there = std::make_shared<AsyncAllToAll>();
      run.there->exchange = site_.exchange.get();
      run.there->send = sums_of_runs(counts_of(mine, run), run.experts);
      if (counts_first) {
        run.there->receive = received_rows(run);
        run.there->under_way = site_.exchange->start(run_parts[i].detach(), run.there->send, run.there->receive);
      } else {
        run.there->under_way = start_limited(run_parts[i].detach(), counts_of(own, run), run);
      }
      run.under_way = start_all_to_all(run_parts[i], run.there);
    }
  }

  Counts slot_counts(const kernels::RoutingPlan& plan) const {
    Counts counts;
    for (std::size_t e = 0; e + 1 < plan.expert_begin.size(); ++e) {
      counts.push_back(plan.expert_begin[e + 1] - plan.expert_begin[e]);
    }
    return counts;
  }

  // Of counts [member][expert there] those of a run's experts, [member][expert of the run].
  Counts counts_of(const Counts& counts, const ExpertRun& run) const {
    Counts result;
    for (auto member = counts.begin(); member != counts.end(); member += run.experts_here) {
      result.insert(result.end(), member + run.first, member + run.first + run.experts);
    }
    return result;
  }

  // Rows that come from each member, of its own share where the tensor group shares tokens out.
  Counts received_rows(const ExpertRun& run) const {
    return sums_of_runs(parts_of(run.arriving, site_.tensor_rank, site_.model), run.experts);
  }

  // Slots in the order in which they leave, run by run. Each member of the tensor group takes an equal share of each
  // expert's slots, so that all send alike to all.
  at::Tensor to_parts(const at::Tensor& rows, const Counts& own) {
    if (site_.model == 1 && runs_.size() == 1) return rows;
    Counts begins{0};
    for (const std::int64_t count : own) begins.push_back(begins.back() + count);
    Counts order;
    for (std::int64_t m = 0; m < site_.model; ++m) {
      const std::size_t before = order.size();
      for (const ExpertRun& run : runs_) {
        for (std::int64_t to = 0; to < site_.expert_degree; ++to) {
          for (std::int64_t e = run.first; e < run.first + run.experts; ++e) {
            const auto expert = static_cast<std::size_t>(to * run.experts_here + e);
            const Part part = part_of(own[expert], site_.model, m);
            for (std::int64_t i = 0; i < part.count; ++i) order.push_back(begins[expert] + part.begin + i);
          }
        }
      }
      part_counts_.push_back(static_cast<std::int64_t>(order.size() - before));
    }
    order_ = index_tensor(order, rows.device());
    if (site_.model == 1) return permute_rows(rows, order_);
    return take_part(rows, order_, part_counts_, site_.tensor_group);
  }

  // A run's tokens to a member, as a block of so many rows: in front the numbers of tokens, then room for what the
  // capacity lets each expert take.
  struct Block {
    std::int64_t count_bytes, front, room, size;
  };
  Block block_of(const at::Tensor& rows, const ExpertRun& run) const {
    const std::int64_t row_bytes = rows.size(1) * static_cast<std::int64_t>(rows.element_size());
    Block block{};
    block.count_bytes = run.experts * static_cast<std::int64_t>(sizeof(std::int64_t));
    block.front = (block.count_bytes + row_bytes - 1) / row_bytes;
    block.room = (routing_.limit.exchange_capacity + site_.model - 1) / site_.model;
    block.size = block.front + run.experts * block.room;
    return block;
  }

  // `own`: the counts of this run, all shares together.
  RowsUnderWay start_limited(const at::Tensor& rows, const Counts& own, const ExpertRun& run) {
    const Block block = block_of(rows, run);
    const Counts mine = parts_of(own, site_.tensor_rank, site_.model);
    const at::Tensor sent = at::zeros({site_.expert_degree, block.size, rows.size(1)}, rows.options());
    const at::Tensor counts = at::tensor(own, at::kLong).view({site_.expert_degree, run.experts}).view(at::kByte);
    fronts_of(sent, block).copy_(send_to(counts, rows.device()));
    std::int64_t first = 0;
    for (std::int64_t to = 0; to < site_.expert_degree; ++to) {
      const at::Tensor target = sent[to];
      for (std::int64_t e = 0; e < run.experts; ++e) {
        const std::int64_t count = mine[static_cast<std::size_t>(to * run.experts + e)];
        target.narrow(0, block.front + e * block.room, count).copy_(rows.narrow(0, first, count));
        first += count;
      }
    }
    const Counts equal(static_cast<std::size_t>(site_.expert_degree), block.size);
    return site_.exchange->start(sent.flatten(0, 1), equal, equal);
  }

  // Reads the numbers in front and leaves out the room that was not needed.
  at::Tensor unpack_limited(const at::Tensor& received, ExpertRun& run) const {
    const Block block = block_of(received, run);
    const at::Tensor blocks = received.view({site_.expert_degree, block.size, received.size(1)});
    const at::Tensor bytes = fronts_of(blocks, block).to(at::kCPU).contiguous();
    run.arriving.resize(static_cast<std::size_t>(site_.expert_degree * run.experts));
    std::memcpy(run.arriving.data(), bytes.const_data_ptr<std::uint8_t>(), bytes.nbytes());
    const Counts arrived = parts_of(run.arriving, site_.tensor_rank, site_.model);
    std::vector<at::Tensor> pieces;
    for (std::int64_t from = 0; from < site_.expert_degree; ++from) {
      for (std::int64_t e = 0; e < run.experts; ++e) {
        const std::int64_t count = arrived[static_cast<std::size_t>(from * run.experts + e)];
        pieces.push_back(blocks[from].narrow(0, block.front + e * block.room, count));
      }
    }
    run.there->receive = received_rows(run);
    return at::cat(pieces);
  }

  // The bytes of the members' blocks that hold numbers: [member][bytes].
  static at::Tensor fronts_of(const at::Tensor& blocks, const Block& block) {
    return blocks.flatten(1).view(at::kByte).narrow(1, 0, block.count_bytes);
  }

  // Rows lie by [member of the tensor group, where gathered][source][expert]; experts want [expert][source][member].
  ExpertInputs sort_by_expert(const at::Device& device, ExpertRun& run) const {
    const Counts& arriving = run.arriving;
    const std::int64_t first_member = site_.slices ? 0 : site_.tensor_rank, members = site_.slices ? site_.model : 1;
    const auto sources = static_cast<std::int64_t>(arriving.size()) / run.experts;
    const auto place = [&](std::int64_t member, std::int64_t source, std::int64_t expert) {
      return static_cast<std::size_t>((member * sources + source) * run.experts + expert);
    };
    Counts begins(static_cast<std::size_t>(members) * arriving.size());
    std::int64_t next = 0;
    for (std::int64_t m = 0; m < members; ++m) {
      for (std::size_t i = 0; i < arriving.size(); ++i) {
        begins[static_cast<std::size_t>(m) * arriving.size() + i] = next;
        next += part_of(arriving[i], site_.model, first_member + m).count;
      }
    }
    ExpertInputs inputs;
    Counts order, expert_begin{0};
    order.reserve(static_cast<std::size_t>(next));
    for (std::int64_t e = 0; e < run.experts; ++e) {
      for (std::int64_t source = 0; source < sources; ++source) {
        const std::int64_t count = arriving[static_cast<std::size_t>(source * run.experts + e)];
        SlotSegment segment;
        segment.expert = e;
        segment.begin = static_cast<std::int64_t>(order.size());
        segment.micro_batch = micro_batch_ + static_cast<std::uint64_t>(source) -
                              static_cast<std::uint64_t>(site_.expert_degree > 1 ? site_.expert_rank : 0);
        segment.first_name = first_slot_name(site_.expert_rank * run.experts_here + run.first + e) +
                             part_of(count, site_.model, first_member).begin;
        for (std::int64_t m = 0; m < members; ++m) {
          const std::int64_t rows = part_of(count, site_.model, first_member + m).count;
          for (std::int64_t i = 0; i < rows; ++i) order.push_back(begins[place(m, source, e)] + i);
        }
        segment.count = static_cast<std::int64_t>(order.size()) - segment.begin;
        if (segment.count > 0) inputs.segments.push_back(segment);
      }
      expert_begin.push_back(static_cast<std::int64_t>(order.size()));
    }
    inputs.expert_begin = at::tensor(expert_begin, at::kLong);
    if (members * sources > 1) run.expert_order = index_tensor(order, device);
    return inputs;
  }

  const Site& site_;
  Routing routing_;
  std::uint64_t micro_batch_;
  at::Tensor order_;    // rows of the slots by [member of the tensor group][run]; undefined where they lie so already
  Counts part_counts_;  // [model]
  std::vector<ExpertRun> runs_;
};

class ExpertDispatcher : public Dispatcher {
 public:
  explicit ExpertDispatcher(Site site) : site_(std::move(site)) {}

  std::unique_ptr<Dispatch> dispatch(const at::Tensor& x, const Routing& routing, std::uint64_t micro_batch) override {
    return std::make_unique<ExpertDispatch>(site_, x, routing, micro_batch);
  }

 private:
  Site site_;
};

}  // namespace

std::shared_ptr<Dispatcher> make_dispatcher(const ParallelLayout& layout, bool slice_experts, std::int64_t runs,
                                            std::unique_ptr<RowAllToAll> exchange, std::shared_ptr<ModelAxis> axis) {
  const Degrees& degrees = layout.degrees();
  // Sliced experts at expert degree 1 are like a sliced dense block: every slice has all tokens already.
  if (degrees.expert == 1 && (degrees.tensor == 1 || slice_experts)) {
    return std::make_shared<LocalDispatcher>(std::move(axis));
  }
  return std::make_shared<ExpertDispatcher>(
      Site{layout.tensor_group(), degrees.expert, layout.expert_rank(), degrees.tensor, layout.tensor_rank(),
           slice_experts && degrees.tensor > 1, degrees.expert > 1 ? runs : 1, std::move(exchange)});
}

}  // namespace polymoe
