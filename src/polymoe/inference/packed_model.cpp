#include "polymoe/inference/packed_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"
#include "polymoe/base/thread_team.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/kernels/cpu/decoding.h"
#include "polymoe/nn/positions.h"

namespace polymoe {
namespace {

// Rows of a product that one thread takes at least: below, another thread costs more than it does.
constexpr std::int64_t kRowsOfAThread = 16;

LinearWeight linear(const WeightReader& read, const std::string& name) {
  return read_linear(read, name + ".weight", name + ".bias");
}

// The parts [first, first + count) of `parts` equal ones of the outputs.
LinearWeight part_of(LinearWeight source, std::int64_t parts, std::int64_t first, std::int64_t count) {
  for (at::Tensor* whole : {&source.weight, &source.scales, &source.bias}) {
    if (!whole->defined()) continue;
    const std::int64_t size = whole->size(0) / parts;
    *whole = whole->narrow(0, first * size, count * size);
  }
  return source;
}

}  // namespace

// The layers ----------------------------------------------------------------------------------------------------------

struct PackedModel::EncoderLayer {
  EncoderLayer(const WeightReader& read, const std::string& name, const ModelOptions& options, WeightFormats formats)
      : qkv(linear(read, name + ".self_attention.qkv"), formats.dense),
        out(linear(read, name + ".self_attention.out"), formats.dense),
        norm(read, name + ".self_attention_norm"),
        feed_forward(read, name + ".feed_forward", options, formats) {}

  PackedLinear qkv, out;
  PackedNorm norm;
  PackedFeedForwardBlock feed_forward;
};

// Keys and values come apart from queries: they stay where the product writes them.
struct PackedModel::DecoderLayer {
  DecoderLayer(const WeightReader& read, const std::string& name, const ModelOptions& options, WeightFormats formats)
      : DecoderLayer(read, name, linear(read, name + ".self_attention.qkv"), options, formats) {}
  DecoderLayer(const WeightReader& read, const std::string& name, const LinearWeight& qkv, const ModelOptions& options,
               WeightFormats formats)
      : q(part_of(qkv, 3, 0, 1), formats.dense),
        kv(part_of(qkv, 3, 1, 2), formats.dense),
        out(linear(read, name + ".self_attention.out"), formats.dense),
        cross_q(linear(read, name + ".cross_attention.q"), formats.dense),
        cross_kv(linear(read, name + ".cross_attention.kv"), formats.dense),
        cross_out(linear(read, name + ".cross_attention.out"), formats.dense),
        norm(read, name + ".self_attention_norm"),
        cross_norm(read, name + ".cross_attention_norm"),
        feed_forward(read, name + ".feed_forward", options, formats) {}

  PackedLinear q, kv, out, cross_q, cross_kv, cross_out;
  PackedNorm norm, cross_norm;
  PackedFeedForwardBlock feed_forward;
};

// A batch -------------------------------------------------------------------------------------------------------------

/// Keys and values stay where they were written: hypotheses that change places take along where theirs lie.
class PackedState : public DecodingState {
 public:
  PackedState(const PackedModel& model, const std::vector<std::vector<std::int32_t>>& sources, std::int64_t beams)
      : model_(model), hidden_(model.options_.hidden), heads_(model.options_.heads), beams_(beams) {
    encode(sources);
    for (std::size_t s = 0; s < sources.size(); ++s) sentences_.push_back(s);
    slots_.resize(sources.size() * static_cast<std::size_t>(beams));
  }

  at::Tensor step(const std::vector<std::int32_t>& ids) override {
    const auto rows = static_cast<std::int64_t>(ids.size());
    if (length_ >= model_.options_.max_positions) {
      fail("a target of {} tokens is longer than model.max-positions = {}", length_ + 1, model_.options_.max_positions);
    }
    for (std::size_t row = 0; row < slots_.size(); ++row) slots_[row].push_back(static_cast<std::int32_t>(row));
    float* x = workspace_.floats(Workspace::kStates, rows * hidden_);
    model_.embed(ids, std::vector<std::int32_t>(ids.size(), static_cast<std::int32_t>(length_)), x);
    ++length_;
    for (std::size_t i = 0; i < model_.decoder_.size(); ++i) step_layer(i, rows, x);
    if (model_.decoder_norm_) model_.decoder_norm_->apply(x, rows, x);
    return log_probabilities(rows, x);
  }

  void select(const std::vector<std::int64_t>& hypotheses, const std::vector<std::int64_t>& sentences) override {
    std::vector<std::vector<std::int32_t>> slots;
    slots.reserve(hypotheses.size());
    for (const std::int64_t row : hypotheses) {
      slots.push_back(slots_.at(static_cast<std::size_t>(row)));
      slots.back().reserve(slots_.at(static_cast<std::size_t>(row)).capacity());
    }
    slots_ = std::move(slots);
    std::vector<std::size_t> kept;
    for (const std::int64_t sentence : sentences) kept.push_back(sentences_.at(static_cast<std::size_t>(sentence)));
    sentences_ = std::move(kept);
  }

  void keep_attention() override { keeps_attention_ = true; }
  std::vector<std::vector<float>> attention() const override { return attention_; }

 private:
  // What a decoder layer keeps: rows of keys and then values, [.., 2 * hidden].
  struct LayerCache {
    std::vector<AlignedArray<float>> self;  // for each position, those of all hypotheses there were
    AlignedArray<float> cross;              // of all source tokens
  };

  void encode(const std::vector<std::vector<std::int32_t>>& sources) {
    std::vector<std::int32_t> ids, positions;
    for (const std::vector<std::int32_t>& source : sources) {
      if (static_cast<std::int64_t>(source.size()) > model_.options_.max_positions) {
        fail("a source of {} tokens is longer than model.max-positions = {}", source.size(),
             model_.options_.max_positions);
      }
      source_begin_.push_back(static_cast<std::int64_t>(ids.size()));
      ids.insert(ids.end(), source.begin(), source.end());
      for (std::size_t i = 0; i < source.size(); ++i) positions.push_back(static_cast<std::int32_t>(i));
    }
    source_begin_.push_back(static_cast<std::int64_t>(ids.size()));
    const auto tokens = static_cast<std::int64_t>(ids.size());
    float* x = workspace_.floats(Workspace::kStates, tokens * hidden_);
    model_.embed(ids, positions, x);
    for (const PackedModel::EncoderLayer& layer : model_.encoder_) encode_layer(layer, tokens, x);
    if (model_.encoder_norm_) model_.encoder_norm_->apply(x, tokens, x);
    for (const PackedModel::DecoderLayer& layer : model_.decoder_) {
      LayerCache& cache = caches_.emplace_back();
      cache.cross = AlignedArray<float>(tokens * 2 * hidden_);
      layer.cross_kv.apply(x, tokens, cache.cross.data(), workspace_);
    }
  }

  void encode_layer(const PackedModel::EncoderLayer& layer, std::int64_t tokens, float* x) {
    const std::int64_t width = 3 * hidden_;
    apply_residual(x, tokens, hidden_, pre_norm(), layer.norm, workspace_, [&](const float* input) {
      float* qkv = workspace_.floats(Workspace::kQueries, tokens * width);
      layer.qkv.apply(input, tokens, qkv, workspace_);
      float* attended = workspace_.floats(Workspace::kAttended, tokens * hidden_);
      const auto sentences = static_cast<std::int64_t>(source_begin_.size()) - 1;
      ThreadTeam::share(sentences, 1, [&](std::int64_t first, std::int64_t last) {
        Attention attention(*this);
        for (std::int64_t s = first; s < last; ++s) {
          const std::int64_t begin = source_begin_[static_cast<std::size_t>(s)];
          const std::int64_t end = source_begin_[static_cast<std::size_t>(s) + 1];
          attention.clear();
          for (std::int64_t t = begin; t < end; ++t) attention.see(qkv + t * width + hidden_);
          attention.attend({qkv + begin * width, end - begin, width}, attended + begin * hidden_);
        }
      });
      layer.out.add(attended, tokens, x, workspace_);
    });
    layer.feed_forward.apply(x, tokens, hidden_, workspace_);
  }

  void step_layer(std::size_t index, std::int64_t rows, float* x) {
    const PackedModel::DecoderLayer& layer = model_.decoder_[index];
    LayerCache& cache = caches_[index];
    apply_residual(x, rows, hidden_, pre_norm(), layer.norm, workspace_, [&](const float* input) {
      float* queries = workspace_.floats(Workspace::kQueries, rows * hidden_);
      layer.q.apply(input, rows, queries, workspace_);
      AlignedArray<float>& now = cache.self.emplace_back(rows * 2 * hidden_);
      layer.kv.apply(input, rows, now.data(), workspace_);
      attend_rows(rows, 1, queries, [&](Attention& attention, std::int64_t row) {
        const std::vector<std::int32_t>& slots = slots_[static_cast<std::size_t>(row)];
        for (std::size_t p = 0; p < slots.size(); ++p) attention.see(cache.self[p].data() + slots[p] * 2 * hidden_);
      });
      layer.out.add(attended_, rows, x, workspace_);
    });
    apply_residual(x, rows, hidden_, pre_norm(), layer.cross_norm, workspace_, [&](const float* input) {
      float* queries = workspace_.floats(Workspace::kQueries, rows * hidden_);
      layer.cross_q.apply(input, rows, queries, workspace_);
      const auto see_source = [&](Attention& attention, std::int64_t row) {
        const std::size_t sentence = sentences_[static_cast<std::size_t>(row / beams_)];
        for (std::int64_t t = source_begin_[sentence]; t < source_begin_[sentence + 1]; ++t) {
          attention.see(cache.cross.data() + t * 2 * hidden_);
        }
      };
      attend_rows(rows, beams_, queries, see_source);
      if (keeps_attention_ && index == aligning_layer()) weigh_rows(rows, queries, see_source);
      layer.cross_out.add(attended_, rows, x, workspace_);
    });
    layer.feed_forward.apply(x, rows, hidden_, workspace_);
  }

  // The keys and values that a query sees.
  class Attention {
   public:
    explicit Attention(const PackedState& state)
        : hidden_(state.hidden_),
          heads_(state.heads_),
          width_(hidden_ / heads_),
          scale_(1.0f / std::sqrt(static_cast<float>(width_))) {}

    void clear() {
      keys_.clear();
      values_.clear();
    }
    void see(const float* key_and_value) {
      keys_.push_back(key_and_value);
      values_.push_back(key_and_value + hidden_);
    }
    void attend(const kernels::QueryRows& queries, float* output) {
      scores_.resize(keys_.size());
      const kernels::CachedRows rows{keys_.data(), values_.data(), static_cast<std::int64_t>(keys_.size())};
      kernels::attend(queries, rows, heads_, width_, scale_, scores_.data(), output);
    }

    std::vector<float> weights(const float* query) {
      scores_.resize(keys_.size());
      std::vector<float> weights(keys_.size());
      const kernels::CachedRows rows{keys_.data(), values_.data(), static_cast<std::int64_t>(keys_.size())};
      kernels::attention_weights({query, 1, hidden_}, rows, heads_, width_, scale_, scores_.data(), weights.data());
      return weights;
    }

   private:
    std::int64_t hidden_, heads_, width_;
    float scale_;
    std::vector<const float*> keys_, values_;
    std::vector<float> scores_;
  };

  // Fills attended_: `together` rows of `queries` at a time over what `see(attention, first row)` shows them.
  template <typename See>
  void attend_rows(std::int64_t rows, std::int64_t together, const float* queries, const See& see) {
    attended_ = workspace_.floats(Workspace::kAttended, rows * hidden_);
    const std::int64_t grain = std::max<std::int64_t>(1, kRowsOfAThread / together);
    ThreadTeam::share(rows / together, grain, [&](std::int64_t first, std::int64_t last) {
      Attention attention(*this);
      for (std::int64_t group = first; group < last; ++group) {
        const std::int64_t row = group * together;
        attention.clear();
        see(attention, row);
        attention.attend({queries + row * hidden_, together, hidden_}, attended_ + row * hidden_);
      }
    });
  }

  // Fills attention_.
  template <typename See>
  void weigh_rows(std::int64_t rows, const float* queries, const See& see) {
    Attention attention(*this);
    attention_.clear();
    for (std::int64_t row = 0; row < rows; ++row) {
      attention.clear();
      see(attention, row);
      attention_.push_back(attention.weights(queries + row * hidden_));
    }
  }

  // The last but one, where attention aligns best (Garg et al. 2019, "Jointly learning to align and translate with
  // transformer models").
  std::size_t aligning_layer() const { return model_.decoder_.size() > 1 ? model_.decoder_.size() - 2 : 0; }

  at::Tensor log_probabilities(std::int64_t rows, const float* x) {
    const std::int64_t vocabulary = model_.options_.vocabulary;
    float* logits = workspace_.floats(Workspace::kLogits, rows * vocabulary);
    model_.embedding_.apply(x, rows, logits, workspace_);
    ThreadTeam::share(rows, kRowsOfAThread, [&](std::int64_t first, std::int64_t last) {
      kernels::log_softmax(logits, vocabulary, first, last);
    });
    return at::from_blob(logits, {rows, vocabulary}, at::kFloat);
  }

  bool pre_norm() const { return model_.options_.norm == NormOrder::kPre; }

  const PackedModel& model_;
  std::int64_t hidden_, heads_, beams_;
  Workspace workspace_;
  std::vector<std::int64_t> source_begin_;        // of each sentence among the source tokens, and their number
  std::vector<std::size_t> sentences_;            // that are still translated, by their place in the source
  std::vector<std::vector<std::int32_t>> slots_;  // of each hypothesis and position: its row in LayerCache::self
  std::vector<LayerCache> caches_;
  std::int64_t length_ = 0;
  float* attended_ = nullptr;
  bool keeps_attention_ = false;
  std::vector<std::vector<float>> attention_;
};

// The model -----------------------------------------------------------------------------------------------------------

PackedModel::PackedModel(const ModelOptions& options, const WeightReader& read, WeightFormats formats)
    : options_(options) {
  embedding_ = PackedLinear(read_linear(read, "embedding", options.logits_bias ? "logits_bias" : ""), formats.dense);
  const at::Tensor positions = sinusoidal_positions(options.max_positions + options.position_offset, options.hidden,
                                                    options.position_frequencies);
  positions_ = copy_of<float>(positions);
  for (std::int64_t i = 0; i < options.encoder_layers; ++i) {
    encoder_.emplace_back(read, fmt::format("encoder.layers.{}", i), options_of_layer(options, "encoder", i), formats);
  }
  for (std::int64_t i = 0; i < options.decoder_layers; ++i) {
    decoder_.emplace_back(read, fmt::format("decoder.layers.{}", i), options_of_layer(options, "decoder", i), formats);
  }
  if (options.norm != NormOrder::kPre) return;
  encoder_norm_ = std::make_unique<PackedNorm>(read, "encoder.norm");
  decoder_norm_ = std::make_unique<PackedNorm>(read, "decoder.norm");
}

PackedModel::~PackedModel() = default;

std::unique_ptr<DecodingState> PackedModel::start(const std::vector<std::vector<std::int32_t>>& sources,
                                                  std::int64_t beams) {
  return std::make_unique<PackedState>(*this, sources, beams);
}

void PackedModel::embed(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& positions,
                        float* x) const {
  const std::int64_t hidden = options_.hidden;
  const float scale = options_.embedding_scale ? std::sqrt(static_cast<float>(hidden)) : 1.0f;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    float* row = x + static_cast<std::int64_t>(i) * hidden;
    if (ids[i] < 0 || ids[i] >= options_.vocabulary) fail("no entry of the vocabulary has the id {}", ids[i]);
    embedding_.copy_row(ids[i], row);
    const float* position = positions_.data() + (positions[i] + options_.position_offset) * hidden;
    for (std::int64_t c = 0; c < hidden; ++c) row[c] = row[c] * scale + position[c];
  }
}

std::int64_t PackedModel::bytes() const {
  std::int64_t total = embedding_.bytes() + positions_.size() * static_cast<std::int64_t>(sizeof(float));
  for (const EncoderLayer& layer : encoder_)
    total += layer.qkv.bytes() + layer.out.bytes() + layer.feed_forward.bytes();
  for (const DecoderLayer& layer : decoder_) {
    for (const PackedLinear* part :
         {&layer.q, &layer.kv, &layer.out, &layer.cross_q, &layer.cross_kv, &layer.cross_out}) {
      total += part->bytes();
    }
    total += layer.feed_forward.bytes();
  }
  return total;
}

bool can_pack(const ModelOptions& options) {
  return options.moe.experts == 0 || options.moe.router != RouterKind::kExpertChoice;
}

std::shared_ptr<PackedModel> load_packed_model(const Checkpoint& checkpoint, WeightFormats formats) {
  const ModelOptions options = checked_model_options(checkpoint);
  return std::make_shared<PackedModel>(
      options,
      [&](const std::string& name) {
        return checkpoint.has("model", name) ? checkpoint.read("model", name) : at::Tensor();
      },
      formats);
}

std::shared_ptr<PackedModel> pack_model(const ModelImpl& model, WeightFormats formats) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> weights;
  const std::map<std::string, ParameterSpec> specs = parameter_specs(model);
  for (const auto& item : model.named_parameters()) {
    const at::Tensor flat = item.value().detach().view(-1);
    for (const LogicalTensor& tensor : logical_tensors(item.key(), specs.at(item.key()))) {
      weights[tensor.name] = flat.narrow(0, tensor.offset, tensor.size).view(tensor.shape);
    }
  }
  for (const auto& item : model.named_buffers()) weights[item.key()] = item.value();
  return std::make_shared<PackedModel>(
      model.options(), [&](const std::string& name) { return weights.count(name) > 0 ? weights[name] : at::Tensor(); },
      formats);
}

}  // namespace polymoe
