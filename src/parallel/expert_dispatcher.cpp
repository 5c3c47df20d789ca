#include "parallel/expert_dispatcher.h"

#include <algorithm>
#include <utility>

#include "nn/host_copy.h"
#include "nn/torch_headers.h"
#include "parallel/linear_map.h"
#include "parallel/model_parts.h"
#include "parallel/row_flight.h"

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
  std::shared_ptr<RowFlight> there, back;  // null at expert degree 1
  at::Tensor departed;                     // until receive()
};

// What combine() needs to undo a dispatch.
struct Exchange {
  at::Tensor order;    // rows of the slots by [member of the model group][run]; undefined where they lie so already
  Counts part_counts;  // [model]
  std::vector<ExpertRun> runs;
};

// Experts whole, or with model = 1, or sliced with expert > 1.
class ExpertDispatcher : public Dispatcher {
 public:
  ExpertDispatcher(const ParallelLayout& layout, bool slice_experts, std::int64_t runs,
                   std::unique_ptr<RowExchange> exchange)
      : model_group_(layout.model_group()),
        expert_degree_(layout.degrees().expert),
        expert_rank_(layout.expert_rank()),
        model_(layout.degrees().model),
        model_rank_(layout.model_rank()),
        slices_(slice_experts && layout.degrees().model > 1),
        most_runs_(expert_degree_ > 1 ? runs : 1),
        exchange_(std::move(exchange)) {}

  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& /*context*/) override {
    const auto state = std::make_shared<Exchange>();
    DispatchHandle handle;
    handle.routing = routing;
    const std::int64_t experts_here = routing.assignments.experts / expert_degree_;
    const std::int64_t num_runs = std::min(most_runs_, experts_here);
    for (std::int64_t run = 0; run < num_runs; ++run) {
      const Part part = part_of(experts_here, num_runs, run);
      ExpertRun& added = state->runs.emplace_back();
      added.first = part.begin;
      added.experts = part.count;
      added.experts_here = experts_here;
      handle.runs.push_back(part.count);
    }
    const Counts own = slot_counts(*routing.plan);
    const at::Tensor rows = to_parts(tokens_to_slots(x, routing), own, *state);
    // The tokens that each member sends to each expert here, [source][expert].
    const bool counts_first = expert_degree_ > 1 && routing.limit.capacity == 0;
    const Counts arriving = counts_first ? exchange_counts(*exchange_, own, rows.device()) : own;
    const Counts mine = parts_of(own, model_rank_, model_);
    Counts run_rows;
    for (const ExpertRun& run : state->runs) run_rows.push_back(sum_of(counts_of(mine, run)));
    const std::vector<at::Tensor> run_parts =
        num_runs > 1 ? rows.split_with_sizes(run_rows) : std::vector<at::Tensor>{rows};
    for (std::size_t i = 0; i < state->runs.size(); ++i) {
      ExpertRun& run = state->runs[i];
      run.arriving = counts_of(arriving, run);
      run.departed = run_parts[i];
      if (expert_degree_ == 1) continue;
      run.there = std::make_shared<RowFlight>();
      run.there->exchange = exchange_.get();
      run.there->send = sums_of_runs(counts_of(mine, run), run.experts);
      if (counts_first) {
        run.there->receive = received_rows(run);
        run.there->under_way = exchange_->start(run_parts[i].detach(), run.there->send, run.there->receive);
      } else {
        run.there->under_way = start_limited(run_parts[i].detach(), counts_of(own, run), run, routing.limit);
      }
      run.departed = depart(run_parts[i], run.there);
    }
    handle.exchange = state;
    return handle;
  }

  ExpertInputs receive(const DispatchHandle& handle, std::size_t index, const ForwardContext& context) override {
    ExpertRun& run = static_cast<Exchange*>(handle.exchange.get())->runs[index];
    at::Tensor rows = std::exchange(run.departed, {});
    if (expert_degree_ > 1) {
      const ExpertLimit& limit = handle.routing.limit;
      const RowMap unpack = [&](const at::Tensor& received) { return unpack_limited(received, run, limit); };
      rows = arrive(rows, run.there, limit.capacity > 0 ? unpack : RowMap());
    }
    if (slices_) {
      for (std::int64_t m = 0; m < model_; ++m) {
        run.slice_counts.push_back(sum_of(parts_of(run.arriving, m, model_)));
      }
      rows = gather_for_slices(rows, run.slice_counts, model_group_);
    }
    ExpertInputs inputs = sort_by_expert(context, rows.device(), run);
    inputs.rows = run.expert_order.defined() ? permute_rows(rows, run.expert_order) : rows;
    return inputs;
  }

  at::Tensor send_back(const DispatchHandle& handle, std::size_t index, const at::Tensor& outputs) override {
    ExpertRun& run = static_cast<Exchange*>(handle.exchange.get())->runs[index];
    at::Tensor rows = run.expert_order.defined() ? permute_rows_back(outputs, run.expert_order) : outputs;
    if (slices_) rows = sum_of_slices(rows, run.slice_counts, model_group_);
    if (expert_degree_ == 1) return rows;
    run.back = std::make_shared<RowFlight>();
    run.back->exchange = exchange_.get();
    run.back->send = run.there->receive;
    run.back->receive = run.there->send;
    run.back->under_way = exchange_->start(rows.detach(), run.back->send, run.back->receive);
    return depart(rows, run.back);
  }

  at::Tensor combine(const DispatchHandle& handle, const std::vector<at::Tensor>& sent_back,
                     const at::Tensor& weights) override {
    const auto& state = *static_cast<const Exchange*>(handle.exchange.get());
    std::vector<at::Tensor> parts = sent_back;
    if (expert_degree_ > 1) {
      for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = arrive(parts[i], state.runs[i].back);
    }
    at::Tensor rows = parts.size() > 1 ? at::cat(parts) : parts[0];
    if (model_ > 1) {
      rows = gather_parts(rows, state.order, state.part_counts, model_group_);
    } else if (state.order.defined()) {
      rows = permute_rows_back(rows, state.order);
    }
    return slots_to_tokens(rows, weights, handle.routing);
  }

 private:
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

  // Rows that come from each member, of its own share where the model group shares tokens out.
  Counts received_rows(const ExpertRun& run) const {
    return sums_of_runs(parts_of(run.arriving, model_rank_, model_), run.experts);
  }

  // Slots in the order in which they leave, run by run. Each member of the model group takes an equal share of each
  // expert's slots, so that all send alike to all.
  at::Tensor to_parts(const at::Tensor& rows, const Counts& own, Exchange& state) const {
    if (model_ == 1 && state.runs.size() == 1) return rows;
    Counts begins{0};
    for (const std::int64_t count : own) begins.push_back(begins.back() + count);
    Counts order;
    for (std::int64_t m = 0; m < model_; ++m) {
      const std::size_t before = order.size();
      for (const ExpertRun& run : state.runs) {
        for (std::int64_t to = 0; to < expert_degree_; ++to) {
          for (std::int64_t e = run.first; e < run.first + run.experts; ++e) {
            const auto expert = static_cast<std::size_t>(to * run.experts_here + e);
            const Part part = part_of(own[expert], model_, m);
            for (std::int64_t i = 0; i < part.count; ++i) order.push_back(begins[expert] + part.begin + i);
          }
        }
      }
      state.part_counts.push_back(static_cast<std::int64_t>(order.size() - before));
    }
    state.order = index_tensor(order, rows.device());
    if (model_ == 1) return permute_rows(rows, state.order);
    return take_part(rows, state.order, state.part_counts, model_group_);
  }

  // A run's tokens to a member, as a block of so many rows: in front the numbers of tokens, then room for what the
  // capacity lets each expert take.
  struct Block {
    std::int64_t count_bytes, front, room, size;
  };
  Block block_of(const at::Tensor& rows, const ExpertRun& run, const ExpertLimit& limit) const {
    const std::int64_t row_bytes = rows.size(1) * static_cast<std::int64_t>(rows.element_size());
    Block block{};
    block.count_bytes = run.experts * static_cast<std::int64_t>(sizeof(std::int64_t));
    block.front = (block.count_bytes + row_bytes - 1) / row_bytes;
    block.room = (limit.exchange_capacity + model_ - 1) / model_;
    block.size = block.front + run.experts * block.room;
    return block;
  }

  // `own`: the counts of this run, all shares together.
  RowsUnderWay start_limited(const at::Tensor& rows, const Counts& own, const ExpertRun& run,
                             const ExpertLimit& limit) {
    const Block block = block_of(rows, run, limit);
    const Counts mine = parts_of(own, model_rank_, model_);
    at::Tensor sent = at::zeros({expert_degree_, block.size, rows.size(1)}, rows.options());
    std::int64_t first = 0;
    for (std::int64_t to = 0; to < expert_degree_; ++to) {
      at::Tensor target = sent[to];
      const Counts counts(own.begin() + to * run.experts, own.begin() + (to + 1) * run.experts);
      front_of(target, block).copy_(bytes_of(counts));
      for (std::int64_t e = 0; e < run.experts; ++e) {
        const std::int64_t count = mine[static_cast<std::size_t>(to * run.experts + e)];
        target.narrow(0, block.front + e * block.room, count).copy_(rows.narrow(0, first, count));
        first += count;
      }
    }
    const Counts equal(static_cast<std::size_t>(expert_degree_), block.size);
    return exchange_->start(sent.flatten(0, 1), equal, equal);
  }

  // Reads the numbers in front and leaves out the room that was not needed.
  at::Tensor unpack_limited(const at::Tensor& received, ExpertRun& run, const ExpertLimit& limit) const {
    const Block block = block_of(received, run, limit);
    const at::Tensor blocks = received.view({expert_degree_, block.size, received.size(1)});
    run.arriving.clear();
    for (std::int64_t from = 0; from < expert_degree_; ++from) {
      const at::Tensor bytes = front_of(blocks[from], block).to(at::kCPU).contiguous();
      const auto* counts = reinterpret_cast<const std::int64_t*>(bytes.const_data_ptr<std::uint8_t>());
      run.arriving.insert(run.arriving.end(), counts, counts + run.experts);
    }
    const Counts arrived = parts_of(run.arriving, model_rank_, model_);
    std::vector<at::Tensor> pieces;
    for (std::int64_t from = 0; from < expert_degree_; ++from) {
      for (std::int64_t e = 0; e < run.experts; ++e) {
        const std::int64_t count = arrived[static_cast<std::size_t>(from * run.experts + e)];
        pieces.push_back(blocks[from].narrow(0, block.front + e * block.room, count));
      }
    }
    run.there->receive = received_rows(run);
    return at::cat(pieces);
  }

  // The bytes of a member's block that hold numbers.
  static at::Tensor front_of(const at::Tensor& rows, const Block& block) {
    return rows.view(-1).view(at::kByte).narrow(0, 0, block.count_bytes);
  }
  static at::Tensor bytes_of(const Counts& counts) { return at::tensor(counts, at::kLong).view(at::kByte); }

  // Rows lie by [member of the model group, where gathered][source][expert]; experts want [expert][source][member].
  ExpertInputs sort_by_expert(const ForwardContext& context, const at::Device& device, ExpertRun& run) const {
    const Counts& arriving = run.arriving;
    const std::int64_t first_member = slices_ ? 0 : model_rank_, members = slices_ ? model_ : 1;
    const auto sources = static_cast<std::int64_t>(arriving.size()) / run.experts;
    const auto place = [&](std::int64_t member, std::int64_t source, std::int64_t expert) {
      return static_cast<std::size_t>((member * sources + source) * run.experts + expert);
    };
    Counts begins(static_cast<std::size_t>(members) * arriving.size());
    std::int64_t next = 0;
    for (std::int64_t m = 0; m < members; ++m) {
      for (std::size_t i = 0; i < arriving.size(); ++i) {
        begins[static_cast<std::size_t>(m) * arriving.size() + i] = next;
        next += part_of(arriving[i], model_, first_member + m).count;
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
        segment.micro_batch = context.micro_batch + static_cast<std::uint64_t>(source) -
                              static_cast<std::uint64_t>(expert_degree_ > 1 ? expert_rank_ : 0);
        segment.first_name = first_slot_name(expert_rank_ * run.experts_here + run.first + e) +
                             part_of(count, model_, first_member).begin;
        for (std::int64_t m = 0; m < members; ++m) {
          const std::int64_t rows = part_of(count, model_, first_member + m).count;
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

  Communicator& model_group_;
  std::int64_t expert_degree_, expert_rank_;
  std::int64_t model_, model_rank_;
  bool slices_;
  std::int64_t most_runs_;
  std::unique_ptr<RowExchange> exchange_;
};

// Sliced experts at expert degree 1: like a sliced dense block, every slice has all tokens already.
class SlicedDispatcher : public LocalDispatcher {
 public:
  explicit SlicedDispatcher(std::shared_ptr<ModelAxis> axis) : axis_(std::move(axis)) {}

  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) override {
    return LocalDispatcher::dispatch(axis_->enter(x), routing, context);
  }
  at::Tensor send_back(const DispatchHandle& /*handle*/, std::size_t /*run*/, const at::Tensor& outputs) override {
    return axis_->leave(outputs);
  }

 private:
  std::shared_ptr<ModelAxis> axis_;
};

}  // namespace

std::shared_ptr<Dispatcher> make_dispatcher(const ParallelLayout& layout, bool slice_experts, std::int64_t runs,
                                            std::unique_ptr<RowExchange> exchange, std::shared_ptr<ModelAxis> axis) {
  const Degrees& degrees = layout.degrees();
  if (degrees.expert == 1 && degrees.model == 1) return std::make_shared<LocalDispatcher>();
  if (degrees.expert == 1 && slice_experts) return std::make_shared<SlicedDispatcher>(std::move(axis));
  return std::make_shared<ExpertDispatcher>(layout, slice_experts, runs, std::move(exchange));
}

}  // namespace polymoe
