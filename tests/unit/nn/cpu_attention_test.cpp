#include "polymoe/nn/cpu_attention.h"

#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <vector>

#include "polymoe/kernels/cpu/attention.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/products.h"

namespace polymoe {
namespace {

constexpr std::int64_t kHeads = 3;

Packing packing_of(const std::vector<std::int32_t>& lengths) { return make_packing(lengths, 80, at::kCPU); }

// By LibTorch, row after row. `q` [queries, hidden], `kv` [keys, 2 * hidden].
at::Tensor expected(const at::Tensor& q, const at::Tensor& kv, const std::vector<std::int32_t>& queries,
                    const std::vector<std::int32_t>& keys, bool causal) {
  const auto heads_of = [](const at::Tensor& x) { return x.view({1, x.size(0), kHeads, -1}).transpose(1, 2); };
  std::vector<at::Tensor> rows;
  std::int64_t query = 0, key = 0;
  for (std::size_t r = 0; r < queries.size(); ++r) {
    const std::vector<at::Tensor> both = kv.narrow(0, key, keys[r]).chunk(2, 1);
    const at::Tensor y =
        at::scaled_dot_product_attention(heads_of(q.narrow(0, query, queries[r])), heads_of(both[0].contiguous()),
                                         heads_of(both[1].contiguous()), std::nullopt, 0.0, causal);
    rows.push_back(y.transpose(1, 2).reshape({queries[r], -1}));
    query += queries[r];
    key += keys[r];
  }
  return at::cat(rows);
}

bool near(const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, 1e-4, 1e-5); }

const std::vector<std::int32_t> kLengths{5, 1, 70, 16, 33}, kOthers{7, 20, 2, 65, 1};

TEST(CpuAttention, OfARowsOwnKeysIsLibTorchs) {
  for (const std::int64_t width : {16, 32}) {
    for (const bool causal : {false, true}) {
      const std::int64_t hidden = kHeads * width, tokens = std::accumulate(kLengths.begin(), kLengths.end(), 0);
      const at::Tensor x = at::randn({tokens, 3 * hidden}).requires_grad_(), same = x.detach().clone().requires_grad_();
      const at::Tensor y = cpu_attention(x, {}, kHeads, packing_of(kLengths), packing_of(kLengths), causal);
      const at::Tensor theirs =
          expected(same.narrow(1, 0, hidden), same.narrow(1, hidden, 2 * hidden), kLengths, kLengths, causal);
      EXPECT_TRUE(near(y, theirs));
      const at::Tensor dy = at::randn_like(y);
      y.backward(dy);
      theirs.backward(dy);
      EXPECT_TRUE(near(x.grad(), same.grad()));
    }
  }
}

// Numbers of bfloat16 have the sums of float32, rounded at the end.
TEST(CpuAttention, OfBfloat16IsTheRoundedOfFloat32) {
  const at::Tensor x = at::randn({std::accumulate(kLengths.begin(), kLengths.end(), 0), 3 * kHeads * 32})
                           .to(at::kBFloat16)
                           .requires_grad_(),
                   same = x.detach().to(at::kFloat).requires_grad_();
  const Packing rows = packing_of(kLengths);
  const at::Tensor y = cpu_attention(x, {}, kHeads, rows, rows, true),
                   wide = cpu_attention(same, {}, kHeads, rows, rows, true);
  EXPECT_TRUE(at::equal(y, wide.to(at::kBFloat16)));
  const at::Tensor dy = at::randn_like(y);
  y.backward(dy);
  wide.backward(dy.to(at::kFloat));
  EXPECT_TRUE(at::equal(x.grad(), same.grad().to(at::kBFloat16)));
}

TEST(CpuAttention, OfOtherKeysIsLibTorchs) {
  const std::int64_t hidden = kHeads * 32;
  const at::Tensor q = at::randn({std::accumulate(kLengths.begin(), kLengths.end(), 0), hidden}).requires_grad_(),
                   kv = at::randn({std::accumulate(kOthers.begin(), kOthers.end(), 0), 2 * hidden}).requires_grad_(),
                   same_q = q.detach().clone().requires_grad_(), same_kv = kv.detach().clone().requires_grad_();
  const at::Tensor y = cpu_attention(q, kv, kHeads, packing_of(kLengths), packing_of(kOthers), false);
  const at::Tensor theirs = expected(same_q, same_kv, kLengths, kOthers, false);
  EXPECT_TRUE(near(y, theirs));
  const at::Tensor dy = at::randn_like(y);
  y.backward(dy);
  theirs.backward(dy);
  EXPECT_TRUE(near(q.grad(), same_q.grad()));
  EXPECT_TRUE(near(kv.grad(), same_kv.grad()));
}

TEST(CpuAttention, ARowIsTheSameWhateverElseIsThere) {
  const at::Tensor x = at::randn({6 + 40, 3 * kHeads * 16});
  const Packing both = packing_of({6, 40}), alone = packing_of({6});
  EXPECT_TRUE(at::equal(cpu_attention(x, {}, kHeads, both, both, true).narrow(0, 0, 6),
                        cpu_attention(x.narrow(0, 0, 6), {}, kHeads, alone, alone, true)));
}

TEST(CpuAttention, ScoresFarFromZeroAreFine) {
  const at::Tensor x = at::randn({20, 3 * kHeads * 16}) * 100;
  const Packing packing = packing_of({20});
  const at::Tensor y = cpu_attention(x, {}, kHeads, packing, packing, true);
  EXPECT_TRUE(at::isfinite(y).all().item<bool>());
}

TEST(CpuAttention, AllVectorsAgree) {
  const at::Tensor x = at::randn({70, 3 * 32}), dy = at::randn({70, 32});
  const auto* q = x.const_data_ptr<float>();
  const kernels::AttentionRow<float> row{{q, 96}, {q + 32, 96}, {q + 64, 96}, 70, 70, 32, true};
  const auto run = [&](kernels::Vectors vectors) {
    at::Tensor y = at::empty({70, 32}), dx = at::empty({70, 96}),
               scratch = at::empty({kernels::attention_scratch(70, 70, 32)});
    auto *grad = dx.mutable_data_ptr<float>(), *some = scratch.mutable_data_ptr<float>();
    kernels::attend<float>(row, {y.mutable_data_ptr<float>(), 32}, some, vectors);
    kernels::attend_backward<float>(row, {dy.const_data_ptr<float>(), 32}, {grad, 96}, {grad + 32, 96}, {grad + 64, 96},
                                    some, vectors);
    return at::cat({y, dx}, 1);
  };
  const at::Tensor best = run(kernels::best_vectors());
  for (const kernels::Vectors vectors : kernels::all_vectors()) EXPECT_TRUE(near(run(vectors), best));
}

}  // namespace
}  // namespace polymoe
