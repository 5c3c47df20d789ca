#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/kernels/cuda/cross_entropy_work.h"
#include "support/simulated_grid.h"

namespace polymoe::kernels::cuda {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

template <typename T>
struct Row {
  float nll, loss;
  std::vector<T> gradient;
};

// As cross_entropy_kernel() goes about a row whose gradient goes to `gradient`.
template <int kPack, typename T>
RowLosses simulate(const float* row, std::int64_t entries, std::int64_t label_of_token, const CrossEntropyFactors& f,
                   T* gradient) {
  const int threads = cross_entropy_threads(entries), label = label_column(label_of_token, entries);
  std::vector<SoftmaxPart> parts;
  for (int thread = 0; thread < threads; ++thread) parts.push_back(softmax_part<kPack>(row, entries, thread, threads));
  float highest = -kInfinity;
  for (const SoftmaxPart& part : parts) highest = std::max(highest, part.highest());
  const float label_logit = label < 0 ? kNan : row[label];
  std::vector<float> exponentials, differences;
  for (const SoftmaxPart& part : parts) {
    exponentials.push_back(part.exponentials(highest));
    differences.push_back(part.differences(highest));
  }
  const float total = sum_over_threads(exponentials);
  const RowLosses losses = row_losses(label_logit, highest, total, sum_over_threads(differences), f);
  for (int thread = 0; thread < threads; ++thread) {
    write_gradient<kPack>(row, entries, label, highest, total, f, thread, threads, gradient);
  }
  return losses;
}

template <int kPack, typename T>
Row<T> simulate(const std::vector<float>& logits, std::int64_t label, double smoothing, double scale) {
  const auto entries = static_cast<std::int64_t>(logits.size());
  Row<T> out{0.0f, 0.0f, std::vector<T>(logits.size())};
  const CrossEntropyFactors factors(entries, smoothing, scale);
  const RowLosses losses = simulate<kPack>(logits.data(), entries, label, factors, out.gradient.data());
  out.nll = losses.nll;
  out.loss = losses.loss;
  return out;
}

std::vector<float> random_logits(std::int64_t entries, float mean, float deviation) {
  std::mt19937 random(static_cast<unsigned>(entries));
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> logits(static_cast<std::size_t>(entries));
  for (float& logit : logits) logit = normal(random);
  return logits;
}

// Straightforward, in float64.
template <typename T>
void expect_row(const std::vector<float>& logits, std::int64_t label, double smoothing, double scale,
                const Row<T>& got) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  const auto entries = static_cast<double>(logits.size());
  double total = 0, differences = 0;
  for (const float logit : logits) {
    total += std::exp(logit - highest);
    differences += logit - highest;
  }
  const double nll = std::log(total) - (logits[static_cast<std::size_t>(label)] - highest);
  const double loss = (1 - smoothing) * nll + smoothing * (std::log(total) - differences / entries);
  EXPECT_NEAR(got.nll, nll, 1e-6 * (nll + 1));
  EXPECT_NEAR(got.loss, loss, 2e-6 * (loss + 1));
  const double rounding = sizeof(T) == 2 ? 0x1p-8 : 0x1p-24;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double probability = std::exp(logits[i] - highest) / total;
    const double target = (static_cast<std::int64_t>(i) == label ? 1 - smoothing : 0.0) + smoothing / entries;
    const double gradient = (probability - target) * scale;
    // float32 loses of the exponents and of the difference; the last allows for subnormal numbers.
    const double lost = (1e-6 + 1.2e-7 * (highest - logits[i])) * probability + 1e-7 * target;
    ASSERT_NEAR(to_float(got.gradient[i]), gradient, std::abs(gradient) * rounding + lost * scale + 1e-37) << i;
  }
}

template <int kPack, typename T>
void check(const std::vector<float>& logits) {
  for (const double smoothing : {0.0, 0.1}) {
    for (const std::size_t label : {std::size_t{0}, logits.size() / 2, logits.size() - 1}) {
      SCOPED_TRACE(::testing::Message() << logits.size() << " entries in packs of " << kPack << ", label " << label);
      const auto of_token = static_cast<std::int64_t>(label);
      expect_row(logits, of_token, smoothing, 0.25, simulate<kPack, T>(logits, of_token, smoothing, 0.25));
    }
  }
}
void check_all(const std::vector<float>& logits) {
  check<1, float>(logits);
  check<1, BFloat16>(logits);
  if (logits.size() % 4 != 0) return;
  check<4, float>(logits);
  check<4, BFloat16>(logits);
}

TEST(CudaCrossEntropy, VocabulariesOfAnySize) {
  for (const std::int64_t entries : {1, 3, 4, 31, 100, 128, 1000, 1027, 4096, 16384, 16388, 50257}) {
    check_all(random_logits(entries, 0.0f, 3.0f));
  }
}

TEST(CudaCrossEntropy, AQuarterMillionEntries) {
  check<4, BFloat16>(random_logits(262144, 1.0f, 2.0f));
  check<1, float>(random_logits(256001, 1.0f, 2.0f));
}

TEST(CudaCrossEntropy, LogitsFarFromZeroAndInAnyOrder) {
  check_all(random_logits(1000, 1e4f, 5.0f));
  check_all(random_logits(1000, -1e4f, 5.0f));
  check_all(random_logits(1000, 0.0f, 500.0f));
  std::vector<float> logits = random_logits(5000, 0.0f, 10.0f);
  std::sort(logits.begin(), logits.end());
  check_all(logits);
  std::reverse(logits.begin(), logits.end());
  check_all(logits);
}

TEST(CudaCrossEntropy, TheGradientMayOverwriteTheLogits) {
  for (const std::int64_t entries : {100, 20000}) {
    const std::vector<float> logits = random_logits(entries, 0.0f, 3.0f);
    const Row<float> beside = simulate<4, float>(logits, 7, 0.1, 0.5);
    std::vector<float> memory = logits;
    const RowLosses over = simulate<4>(memory.data(), entries, 7, {entries, 0.1, 0.5}, memory.data());
    EXPECT_EQ(over.nll, beside.nll);
    EXPECT_EQ(over.loss, beside.loss);
    EXPECT_EQ(memory, beside.gradient);
  }
}

TEST(CudaCrossEntropy, EntriesOfMinusInfinityHaveNoProbability) {
  // The first 600 leave some threads with nothing else, and others with it before and after their highest.
  std::vector<float> logits = random_logits(1000, -200.0f, 3.0f);
  std::fill(logits.begin(), logits.begin() + 600, -kInfinity);
  const std::vector<float> finite(logits.begin() + 600, logits.end());
  const Row<float> got = simulate<4, float>(logits, 700, 0.0, 1.0);
  const Row<float> expected = simulate<4, float>(finite, 100, 0.0, 1.0);
  EXPECT_NEAR(got.nll, expected.nll, 1e-5);
  EXPECT_EQ(got.loss, got.nll);
  for (std::size_t i = 0; i < 1000; ++i) {
    ASSERT_NEAR(got.gradient[i], i < 600 ? 0.0f : expected.gradient[i - 600], 1e-6) << i;
  }
  // A share of the target is where the probability is zero.
  const Row<float> smoothed = simulate<4, float>(logits, 700, 0.1, 1.0);
  EXPECT_EQ(smoothed.nll, got.nll);
  EXPECT_EQ(smoothed.loss, kInfinity);
  EXPECT_FLOAT_EQ(smoothed.gradient[0], -0.1f / 1000);
  EXPECT_EQ(simulate<1>(logits.data(), 1000, 5, {1000, 0.0, 1.0}, logits.data()).nll, kInfinity);
}

template <typename T>
void expect_all_nan(const Row<T>& row) {
  EXPECT_TRUE(std::isnan(row.nll));
  EXPECT_TRUE(std::isnan(row.loss));
  for (std::size_t i = 0; i < row.gradient.size(); ++i) ASSERT_TRUE(std::isnan(to_float(row.gradient[i]))) << i;
}

TEST(CudaCrossEntropy, NanAndInfinityGiveNan) {
  const std::vector<float> finite = random_logits(1000, 0.0f, 3.0f);
  for (const float bad : {kNan, kInfinity}) {
    for (const std::size_t place : {0, 4, 500, 999}) {
      std::vector<float> logits = finite;
      logits[place] = bad;
      for (const double smoothing : {0.0, 0.1}) {
        expect_all_nan(simulate<4, float>(logits, 4, smoothing, 1.0));
        expect_all_nan(simulate<1, BFloat16>(logits, 4, smoothing, 1.0));
      }
    }
  }
  expect_all_nan(simulate<4, float>(std::vector<float>(100, -kInfinity), 4, 0.1, 1.0));
}

TEST(CudaCrossEntropy, ALabelOutsideOfTheVocabularyGivesNan) {
  const std::vector<float> logits = random_logits(100, 0.0f, 3.0f);
  for (const std::int64_t label : {std::int64_t{-1}, std::int64_t{100}, std::int64_t{1} << 32}) {
    expect_all_nan(simulate<4, float>(logits, label, 0.0, 1.0));
  }
}

}  // namespace
}  // namespace polymoe::kernels::cuda
