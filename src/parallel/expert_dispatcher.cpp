#include "parallel/expert_dispatcher.h"

#include <utility>

#include "nn/torch_headers.h"
#include "parallel/linear_map.h"
#include "parallel/model_parts.h"

namespace polymoe {
namespace {

using Counts = std::vector<std::int64_t>;

Counts parts_of(const Counts& counts, std::int64_t index, std::int64_t parts) {
  Counts result;
  for (const std::int64_t count : counts) result.push_back(part_of(count, parts, index).count);
  return result;
}

at::Tensor index_tensor(const Counts& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
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

// What combine() needs to undo a dispatch. Counts are rows.
struct Exchange {
  at::Tensor part_order;    // rows of the slots by member of the model group; undefined with model = 1
  Counts part_counts;       // [model]
  Counts send, receive;     // [expert degree]
  Counts slice_counts;      // [model], received rows of each member's share; empty unless slices gather them
  at::Tensor expert_order;  // sorts received rows by expert; undefined when they are sorted already
};

// Experts whole, or with model = 1, or sliced with expert > 1.
class ExpertDispatcher : public Dispatcher {
 public:
  ExpertDispatcher(const ParallelLayout& layout, const MoeOptions& options, bool slice_experts,
                   std::unique_ptr<RowExchange> exchange)
      : options_(options),
        model_group_(layout.model_group()),
        expert_degree_(layout.degrees().expert),
        expert_rank_(layout.expert_rank()),
        model_(layout.degrees().model),
        model_rank_(layout.model_rank()),
        slices_(slice_experts && layout.degrees().model > 1),
        local_experts_(options.experts / expert_degree_),
        exchange_(std::move(exchange)) {}

  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) override {
    const auto state = std::make_shared<Exchange>();
    at::Tensor rows = tokens_to_slots(x, routing);
    const Counts own = slot_counts(*routing.plan);
    if (model_ > 1) {
      plan_parts(own, rows.device(), *state);
      rows = take_part(rows, state->part_order, state->part_counts, model_group_);
    }
    // The tokens that each member sends to each expert here, [source][expert], all shares together.
    Counts arriving = own;
    if (expert_degree_ > 1) {
      state->send = sums_of_runs(parts_of(own, model_rank_, model_), local_experts_);
      rows = routing.plan->capacity > 0 ? send_limited(rows, own, context, *state, arriving)
                                        : send_dropless(rows, own, *state, arriving);
    }
    if (slices_) {
      for (std::int64_t m = 0; m < model_; ++m) state->slice_counts.push_back(sum_of(parts_of(arriving, m, model_)));
      rows = gather_for_slices(rows, state->slice_counts, model_group_);
    }
    DispatchHandle handle;
    handle.routing = routing;
    sort_by_expert(arriving, context, rows.device(), *state, handle);
    handle.expert_inputs = state->expert_order.defined() ? permute_rows(rows, state->expert_order) : rows;
    handle.exchange = state;
    return handle;
  }

  at::Tensor combine(const DispatchHandle& handle, const at::Tensor& outputs, const at::Tensor& weights) override {
    const auto& state = *static_cast<const Exchange*>(handle.exchange.get());
    at::Tensor rows = state.expert_order.defined() ? permute_rows_back(outputs, state.expert_order) : outputs;
    if (slices_) rows = sum_of_slices(rows, state.slice_counts, model_group_);
    if (expert_degree_ > 1) rows = exchanged(rows, state.receive, state.send);
    if (model_ > 1) rows = gather_parts(rows, state.part_order, state.part_counts, model_group_);
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

  // Each member of the model group takes an equal share of each expert's slots, so that all send alike to all.
  void plan_parts(const Counts& own, const at::Device& device, Exchange& state) const {
    Counts order;
    for (std::int64_t m = 0; m < model_; ++m) {
      const std::size_t before = order.size();
      std::int64_t first = 0;
      for (const std::int64_t count : own) {
        const Part part = part_of(count, model_, m);
        for (std::int64_t i = 0; i < part.count; ++i) order.push_back(first + part.begin + i);
        first += count;
      }
      state.part_counts.push_back(static_cast<std::int64_t>(order.size() - before));
    }
    state.part_order = index_tensor(order, device);
  }

  at::Tensor exchanged(const at::Tensor& rows, const Counts& send, const Counts& receive) {
    return linear_map(
        rows, [=, this](const at::Tensor& x) { return exchange_->exchange(x, send, receive); },
        [=, this](const at::Tensor& grad) { return exchange_->exchange(grad, receive, send); });
  }

  at::Tensor send_dropless(const at::Tensor& rows, const Counts& own, Exchange& state, Counts& arriving) {
    arriving = exchange_counts(*exchange_, own, rows.device());
    state.receive = sums_of_runs(parts_of(arriving, model_rank_, model_), local_experts_);
    return exchanged(rows, state.send, state.receive);
  }

  // Equal blocks for all members: in front the numbers of tokens, then room for what the capacity lets each expert
  // take.
  at::Tensor send_limited(const at::Tensor& rows, const Counts& own, const ForwardContext& context, Exchange& state,
                          Counts& arriving) {
    const std::int64_t capacity = expert_capacity(options_, context.exchange_tokens, context.training);
    const std::int64_t room = (capacity + model_ - 1) / model_;
    const std::int64_t row_bytes = rows.size(1) * static_cast<std::int64_t>(rows.element_size());
    const std::int64_t count_bytes = local_experts_ * static_cast<std::int64_t>(sizeof(std::int64_t));
    const std::int64_t front = (count_bytes + row_bytes - 1) / row_bytes;
    const std::int64_t block = front + local_experts_ * room;
    const Counts mine = parts_of(own, model_rank_, model_);

    at::Tensor sent = at::zeros({expert_degree_, block, rows.size(1)}, rows.options());
    const at::Tensor values = rows.detach();
    std::int64_t first = 0;
    for (std::int64_t to = 0; to < expert_degree_; ++to) {
      at::Tensor target = sent[to];
      const Counts counts(own.begin() + to * local_experts_, own.begin() + (to + 1) * local_experts_);
      front_of(target, count_bytes).copy_(bytes_of(counts));
      for (std::int64_t e = 0; e < local_experts_; ++e) {
        const std::int64_t count = mine[static_cast<std::size_t>(to * local_experts_ + e)];
        target.narrow(0, front + e * room, count).copy_(values.narrow(0, first, count));
        first += count;
      }
    }
    const Counts equal(static_cast<std::size_t>(expert_degree_), block);
    const at::Tensor received =
        exchange_->exchange(sent.flatten(0, 1), equal, equal).view({expert_degree_, block, rows.size(1)});

    arriving.clear();
    for (std::int64_t from = 0; from < expert_degree_; ++from) {
      const at::Tensor bytes = front_of(received[from], count_bytes).to(at::kCPU).contiguous();
      const auto* counts = reinterpret_cast<const std::int64_t*>(bytes.const_data_ptr<std::uint8_t>());
      arriving.insert(arriving.end(), counts, counts + local_experts_);
    }
    const Counts arrived = parts_of(arriving, model_rank_, model_);
    std::vector<at::Tensor> pieces;
    for (std::int64_t from = 0; from < expert_degree_; ++from) {
      for (std::int64_t e = 0; e < local_experts_; ++e) {
        const std::int64_t count = arrived[static_cast<std::size_t>(from * local_experts_ + e)];
        pieces.push_back(received[from].narrow(0, front + e * room, count));
      }
    }
    at::Tensor compact = at::cat(pieces);
    state.receive = sums_of_runs(arrived, local_experts_);
    return linear_map(
        rows, [&](const at::Tensor&) { return compact; },
        [this, send = state.send, receive = state.receive](const at::Tensor& grad) {
          return exchange_->exchange(grad, receive, send);
        });
  }

  // The first `count` bytes of a member's block.
  static at::Tensor front_of(const at::Tensor& block, std::int64_t count) {
    return block.view(-1).view(at::kByte).narrow(0, 0, count);
  }
  static at::Tensor bytes_of(const Counts& counts) { return at::tensor(counts, at::kLong).view(at::kByte); }

  // Rows lie by [member of the model group, where gathered][source][expert]; experts want [expert][source][member].
  void sort_by_expert(const Counts& arriving, const ForwardContext& context, const at::Device& device, Exchange& state,
                      DispatchHandle& handle) const {
    const std::int64_t first_member = slices_ ? 0 : model_rank_, members = slices_ ? model_ : 1;
    const auto sources = static_cast<std::int64_t>(arriving.size()) / local_experts_;
    const auto place = [&](std::int64_t member, std::int64_t source, std::int64_t expert) {
      return static_cast<std::size_t>((member * sources + source) * local_experts_ + expert);
    };
    Counts begins(static_cast<std::size_t>(members) * arriving.size());
    std::int64_t next = 0;
    for (std::int64_t m = 0; m < members; ++m) {
      for (std::size_t i = 0; i < arriving.size(); ++i) {
        begins[static_cast<std::size_t>(m) * arriving.size() + i] = next;
        next += part_of(arriving[i], model_, first_member + m).count;
      }
    }
    Counts order, expert_begin{0};
    order.reserve(static_cast<std::size_t>(next));
    for (std::int64_t e = 0; e < local_experts_; ++e) {
      for (std::int64_t source = 0; source < sources; ++source) {
        const std::int64_t count = arriving[static_cast<std::size_t>(source * local_experts_ + e)];
        SlotSegment segment;
        segment.expert = e;
        segment.begin = static_cast<std::int64_t>(order.size());
        segment.micro_batch = context.micro_batch + static_cast<std::uint64_t>(source) -
                              static_cast<std::uint64_t>(expert_degree_ > 1 ? expert_rank_ : 0);
        segment.first_name =
            first_slot_name(expert_rank_ * local_experts_ + e) + part_of(count, model_, first_member).begin;
        for (std::int64_t m = 0; m < members; ++m) {
          const std::int64_t rows = part_of(count, model_, first_member + m).count;
          for (std::int64_t i = 0; i < rows; ++i) order.push_back(begins[place(m, source, e)] + i);
        }
        segment.count = static_cast<std::int64_t>(order.size()) - segment.begin;
        if (segment.count > 0) handle.segments.push_back(segment);
      }
      expert_begin.push_back(static_cast<std::int64_t>(order.size()));
    }
    handle.expert_begin = at::tensor(expert_begin, at::kLong);
    if (members * sources > 1) state.expert_order = index_tensor(order, device);
  }

  MoeOptions options_;
  Communicator& model_group_;
  std::int64_t expert_degree_, expert_rank_;
  std::int64_t model_, model_rank_;
  bool slices_;
  std::int64_t local_experts_;
  std::unique_ptr<RowExchange> exchange_;
};

// Sliced experts at expert degree 1: like a sliced dense block, every slice has all tokens already.
class SlicedDispatcher : public Dispatcher {
 public:
  explicit SlicedDispatcher(std::shared_ptr<ModelAxis> axis) : axis_(std::move(axis)) {}

  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) override {
    return local_.dispatch(axis_->enter(x), routing, context);
  }
  at::Tensor combine(const DispatchHandle& handle, const at::Tensor& outputs, const at::Tensor& weights) override {
    return local_.combine(handle, axis_->leave(outputs), weights);
  }

 private:
  LocalDispatcher local_;
  std::shared_ptr<ModelAxis> axis_;
};

}  // namespace

std::shared_ptr<Dispatcher> make_dispatcher(const ParallelLayout& layout, const MoeOptions& options, bool slice_experts,
                                            std::unique_ptr<RowExchange> exchange, std::shared_ptr<ModelAxis> axis) {
  const Degrees& degrees = layout.degrees();
  if (degrees.expert == 1 && degrees.model == 1) return std::make_shared<LocalDispatcher>();
  if (degrees.expert == 1 && slice_experts) return std::make_shared<SlicedDispatcher>(std::move(axis));
  return std::make_shared<ExpertDispatcher>(layout, options, slice_experts, std::move(exchange));
}

}  // namespace polymoe
