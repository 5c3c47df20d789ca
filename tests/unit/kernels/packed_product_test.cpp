#include "polymoe/kernels/cpu/packed_product.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

#include "support/products.h"

namespace polymoe::kernels {
namespace {

struct Shape {
  std::int64_t rows, inputs, outputs;
};
const std::vector<Shape> kShapes{{1, 8, 64}, {2, 20, 64}, {7, 37, 70}, {13, 64, 129}, {100, 512, 65}};

// In double.
std::vector<double> product(const std::vector<float>& x, const std::vector<float>& w, const Shape& s) {
  std::vector<double> y;
  for (std::int64_t r = 0; r < s.rows; ++r) {
    for (std::int64_t o = 0; o < s.outputs; ++o) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < s.inputs; ++i) {
        sum += static_cast<double>(x[static_cast<std::size_t>(r * s.inputs + i)]) *
               static_cast<double>(w[static_cast<std::size_t>(o * s.inputs + i)]);
      }
      y.push_back(sum);
    }
  }
  return y;
}

template <typename T>
std::vector<T> packed(const std::vector<T>& weight, const Shape& s) {
  std::vector<T> to(static_cast<std::size_t>(panels_of(s.outputs) * s.inputs * kPanel));
  pack_weight(weight.data(), s.outputs, s.inputs, to.data());
  return to;
}

std::vector<float> run(const std::vector<float>& x, const std::vector<float>& weight, const Shape& s, Vectors vectors,
                       const ProductEnd& end = {}, float start = 0.0f) {
  std::vector<float> y(static_cast<std::size_t>(s.rows * s.outputs), start);
  const std::vector<float> w = packed(weight, s);
  packed_product(x.data(), s.rows, w.data(), s.inputs, s.outputs, 0, panels_of(s.outputs), end, y.data(), vectors);
  return y;
}

TEST(PackedProduct, IsTheProduct) {
  for (const Shape& s : kShapes) {
    const std::vector<float> x = numbers(s.rows * s.inputs, "x"), w = numbers(s.outputs * s.inputs, "w");
    const std::vector<double> expected = product(x, w, s);
    for (const Vectors vectors : all_vectors()) {
      const std::vector<float> y = run(x, w, s, vectors);
      for (std::size_t i = 0; i < y.size(); ++i) {
        EXPECT_NEAR(y[i], expected[i], 2e-6 * static_cast<double>(s.inputs)) << static_cast<int>(vectors);
      }
    }
  }
}

TEST(PackedProduct, ARowDoesNotDependOnTheOthersBitForBit) {
  const Shape s{29, 100, 130};
  const std::vector<float> x = numbers(s.rows * s.inputs, "x"), w = numbers(s.outputs * s.inputs, "w");
  for (const Vectors vectors : all_vectors()) {
    const std::vector<float> together = run(x, w, s, vectors);
    for (std::int64_t r = 0; r < s.rows; ++r) {
      const auto begin = x.begin() + r * s.inputs;
      const std::vector<float> alone = run({begin, begin + s.inputs}, w, {1, s.inputs, s.outputs}, vectors);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + r * s.outputs)) << r;
    }
  }
}

TEST(PackedProduct, PanelsMayBeComputedApart) {
  const Shape s{5, 16, 200};
  const std::vector<float> x = numbers(s.rows * s.inputs, "x"), weight = numbers(s.outputs * s.inputs, "w");
  const std::vector<float> w = packed(weight, s), whole = run(x, weight, s, best_vectors());
  std::vector<float> y(whole.size());
  for (std::int64_t panel = 0; panel < panels_of(s.outputs); ++panel) {
    packed_product(x.data(), s.rows, w.data(), s.inputs, s.outputs, panel, panel + 1, {}, y.data());
  }
  EXPECT_EQ(y, whole);
}

TEST(PackedProduct, BiasActivationAndSum) {
  const Shape s{7, 12, 70};
  const std::vector<float> x = numbers(s.rows * s.inputs, "x"), w = numbers(s.outputs * s.inputs, "w"),
                           bias = numbers(s.outputs, "bias");
  const std::vector<double> sums = product(x, w, s);
  for (const Vectors vectors : all_vectors()) {
    for (const Activation activation : {Activation::kRelu, Activation::kGelu, Activation::kSwish}) {
      const std::vector<float> y =
          run(x, w, s, vectors, {.bias = bias.data(), .activates = true, .activation = activation, .adds = true}, 3.0f);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const auto column = i % static_cast<std::size_t>(s.outputs);
        const float expected = activate(static_cast<float>(sums[i]) + bias[column], activation) + 3.0f;
        EXPECT_NEAR(y[i], expected, 1e-5);
      }
    }
  }
}

TEST(PackedProduct, OfBFloat16IsThatOfTheRoundedWeight) {
  for (const Shape& s : kShapes) {
    const std::vector<float> x = numbers(s.rows * s.inputs, "x"), w = numbers(s.outputs * s.inputs, "w");
    std::vector<BFloat16> halves(w.size());
    std::vector<float> rounded;
    for (std::size_t i = 0; i < w.size(); ++i) {
      from_float(w[i], halves[i]);
      rounded.push_back(to_float(halves[i]));
    }
    const std::vector<BFloat16> weight = packed(halves, s);
    for (const Vectors vectors : all_vectors()) {
      std::vector<float> y(static_cast<std::size_t>(s.rows * s.outputs));
      packed_product(x.data(), s.rows, weight.data(), s.inputs, s.outputs, 0, panels_of(s.outputs), {}, y.data(),
                     vectors);
      EXPECT_EQ(y, run(x, rounded, s, vectors)) << static_cast<int>(vectors);
    }
  }
}

// Whole numbers of which the greatest of each row is 127: rounding changes nothing.
std::vector<float> whole_numbers(const Shape& s) {
  std::vector<float> x = numbers(s.rows * s.inputs, "x");
  for (float& value : x) value = std::round(value * 127.0f);
  for (std::int64_t r = 0; r < s.rows; ++r) x[static_cast<std::size_t>(r * s.inputs)] = r % 2 == 0 ? 127.0f : -127.0f;
  return x;
}

// Weights as they are laid out for these vectors.
class Int8 {
 public:
  Int8(const std::vector<std::int8_t>& values, const std::vector<float>& scales, const Shape& s, Vectors vectors)
      : scales_(scales),
        packed_(static_cast<std::size_t>(panels_of(s.outputs) * groups_of(s.inputs) * kGroup * kPanel)),
        corrections_(static_cast<std::size_t>(panels_of(s.outputs) * kPanel)),
        order_(static_cast<std::size_t>(order_size(s.outputs, s.inputs, vectors))) {
    pack_weight(values.data(), s.outputs, s.inputs, packed_.data(), corrections_.data(), order_.data(), vectors);
  }
  QuantizedWeight get() const {
    return {packed_.data(), scales_.data(), corrections_.data(), order_.empty() ? nullptr : order_.data()};
  }

 private:
  std::vector<float> scales_;
  std::vector<std::int8_t> packed_;
  std::vector<std::int32_t> corrections_;
  std::vector<std::uint16_t> order_;
};

TEST(PackedProduct, OfInt8IsExactForWholeNumbers) {
  for (const Shape& s : kShapes) {
    const std::vector<float> x = whole_numbers(s);
    std::vector<float> scales(static_cast<std::size_t>(s.outputs)), bias(scales);
    std::vector<std::int8_t> w;
    std::vector<float> wide;
    for (const float value : numbers(s.outputs * s.inputs, "w")) {
      // Both kinds of groups: those whose sums may overflow 16 bits, and those whose cannot.
      const float greatest = w.size() % static_cast<std::size_t>(s.inputs) / kGroup % 3 == 0 ? 127.0f : 60.0f;
      w.push_back(static_cast<std::int8_t>(std::lrint(value * greatest)));
      wide.push_back(w.back());
    }
    for (std::size_t o = 0; o < scales.size(); ++o) {
      scales[o] = o % 2 == 0 ? 0.5f : 2.0f;
      bias[o] = static_cast<float>(o);
    }
    const std::vector<double> sums = product(x, wide, s);
    std::vector<std::uint8_t> rows(static_cast<std::size_t>(s.rows * groups_of(s.inputs) * kGroup));
    std::vector<float> row_scales(static_cast<std::size_t>(s.rows));
    quantize_rows(x.data(), s.rows, s.inputs, rows.data(), row_scales.data());
    for (const Vectors vectors : all_vectors()) {
      const Int8 weight(w, scales, s, vectors);
      std::vector<float> y(static_cast<std::size_t>(s.rows * s.outputs));
      packed_product(QuantizedRows{rows.data(), row_scales.data()}, s.rows, weight.get(), s.inputs, s.outputs, 0,
                     panels_of(s.outputs), {.bias = bias.data()}, y.data(), vectors);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t o = i % scales.size();
        EXPECT_EQ(y[i], static_cast<float>(sums[i]) * scales[o] + bias[o]) << static_cast<int>(vectors);
      }
    }
  }
}

// The sums of pairs that are farthest from zero, and weights on both sides of what fits in 16 bits.
TEST(PackedProduct, OfInt8IsExactForTheGreatestValues) {
  const Shape s{3, 40, 64};
  std::vector<float> x(static_cast<std::size_t>(s.rows * s.inputs), 127.0f);
  std::fill(x.begin(), x.begin() + s.inputs, -127.0f);
  std::vector<std::uint8_t> rows(x.size());
  std::vector<float> row_scales(static_cast<std::size_t>(s.rows));
  quantize_rows(x.data(), s.rows, s.inputs, rows.data(), row_scales.data());
  const std::vector<std::pair<int, int>> pairs{{127, 127},   {65, 64},   {64, 64},   {127, -127},
                                               {-127, -127}, {-65, -64}, {-64, -64}, {-128, -128}};
  for (const auto& [even, odd] : pairs) {
    std::vector<std::int8_t> w(static_cast<std::size_t>(s.outputs * s.inputs), static_cast<std::int8_t>(even));
    for (std::size_t i = 1; i < w.size(); i += 2) w[i] = static_cast<std::int8_t>(odd);
    for (const Vectors vectors : all_vectors()) {
      const Int8 packed(w, std::vector<float>(static_cast<std::size_t>(s.outputs), 1.0f), s, vectors);
      std::vector<float> y(static_cast<std::size_t>(s.rows * s.outputs));
      packed_product(QuantizedRows{rows.data(), row_scales.data()}, s.rows, packed.get(), s.inputs, s.outputs, 0, 1, {},
                     y.data(), vectors);
      const auto expected = static_cast<float>(127 * (even + odd) * s.inputs / 2);
      for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], i < 64 ? -expected : expected) << even << " " << odd;
    }
  }
}

TEST(PackedProduct, RowsOfInt8CanBeCopied) {
  for (const Shape& s : kShapes) {
    std::vector<std::int8_t> w;
    for (const float value : numbers(s.outputs * s.inputs, "w")) {
      w.push_back(static_cast<std::int8_t>(std::lrint(value * 127.0f)));
    }
    for (const Vectors vectors : all_vectors()) {
      const Int8 weight(w, std::vector<float>(static_cast<std::size_t>(s.outputs), 0.5f), s, vectors);
      std::vector<float> row(static_cast<std::size_t>(s.inputs));
      for (std::int64_t o = 0; o < s.outputs; ++o) {
        copy_row(weight.get(), s.inputs, o, row.data());
        for (std::int64_t i = 0; i < s.inputs; ++i) {
          const auto value = static_cast<float>(w[static_cast<std::size_t>(o * s.inputs + i)]);
          ASSERT_EQ(row[static_cast<std::size_t>(i)], 0.5f * value) << o << " " << i;
        }
      }
    }
  }
}

// Pairs of 4-bit values and their scales; and the weights that they stand for.
struct Int4 {
  std::vector<std::uint8_t> values;
  std::vector<BFloat16> scales;
  std::vector<float> weights;
};

Int4 int4_weights(const Shape& s) {
  Int4 made;
  const std::int64_t groups = scale_groups_of(s.inputs);
  for (std::int64_t o = 0; o < s.outputs; ++o) {
    for (std::int64_t g = 0; g < groups; ++g) {
      from_float((o + g) % 3 == 0 ? -0.25f : 0.5f, made.scales.emplace_back());
    }
    for (std::int64_t i = 0; i < s.inputs; i += 2) {
      const std::int64_t first = (o * 7 + i * 3) % 16, second = (o + i * 5 + 9) % 16;
      made.values.push_back(static_cast<std::uint8_t>(first | second << 4));
      for (const std::int64_t value : {first, second}) {
        const auto scale = made.scales[static_cast<std::size_t>(o * groups + i / kScaleGroup)];
        made.weights.push_back(to_float(scale) * static_cast<float>(value - 8));
      }
    }
  }
  return made;
}

std::vector<float> run_int4(const std::vector<float>& x, const Int4& weight, const Shape& s, Vectors vectors,
                            const ProductEnd& end = {}, float start = 0.0f) {
  const std::int64_t groups = scale_groups_of(s.inputs), panels = panels_of(s.outputs);
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(panels * groups * kScaleGroup * kPanel / 2));
  std::vector<BFloat16> scales(static_cast<std::size_t>(panels * groups * kPanel));
  pack_weight(weight.values.data(), weight.scales.data(), s.outputs, s.inputs, packed.data(), scales.data());
  std::vector<std::int8_t> values(static_cast<std::size_t>(s.rows * groups * kScaleGroup));
  std::vector<float> row_scales(static_cast<std::size_t>(s.rows));
  std::vector<std::int32_t> corrections(static_cast<std::size_t>(s.rows * groups));
  quantize_rows(x.data(), s.rows, s.inputs, values.data(), row_scales.data(), corrections.data());
  std::vector<float> y(static_cast<std::size_t>(s.rows * s.outputs), start);
  packed_product(GroupedRows{values.data(), row_scales.data(), corrections.data()}, s.rows,
                 GroupedWeight{packed.data(), scales.data()}, s.inputs, s.outputs, 0, panels, end, y.data(), vectors);
  return y;
}

const std::vector<Shape> kEvenShapes{{1, 8, 64}, {7, 38, 70}, {13, 64, 129}, {100, 512, 65}, {6, 96, 64}};

TEST(PackedProduct, OfInt4IsExactForWholeNumbers) {
  for (const Shape& s : kEvenShapes) {
    const std::vector<float> x = whole_numbers(s), bias = numbers(s.outputs, "bias");
    const Int4 weight = int4_weights(s);
    const std::vector<double> sums = product(x, weight.weights, s);
    for (const Vectors vectors : all_vectors()) {
      const std::vector<float> y = run_int4(x, weight, s, vectors, {.bias = bias.data(), .adds = true}, 3.0f);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const float expected = static_cast<float>(sums[i]) + bias[i % bias.size()] + 3.0f;
        EXPECT_EQ(y[i], expected) << s.inputs << " " << static_cast<int>(vectors);
      }
    }
  }
}

TEST(PackedProduct, ARowOfInt4DoesNotDependOnTheOthersBitForBit) {
  const Shape s{29, 100, 130};
  const std::vector<float> x = numbers(s.rows * s.inputs, "x");
  const Int4 weight = int4_weights(s);
  for (const Vectors vectors : all_vectors()) {
    const std::vector<float> together = run_int4(x, weight, s, vectors);
    for (std::int64_t r = 0; r < s.rows; ++r) {
      const auto begin = x.begin() + r * s.inputs;
      const std::vector<float> alone = run_int4({begin, begin + s.inputs}, weight, {1, s.inputs, s.outputs}, vectors);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + r * s.outputs)) << r;
    }
  }
}

TEST(PackedProduct, QuantisedRowsAreWithinHalfAStep) {
  const std::int64_t rows = 3, inputs = 18;
  std::vector<float> x = numbers(rows * inputs, "x");
  std::fill(x.begin() + inputs, x.begin() + 2 * inputs, 0.0f);
  std::vector<std::uint8_t> values(static_cast<std::size_t>(rows * groups_of(inputs) * kGroup));
  std::vector<float> scales(3);
  quantize_rows(x.data(), rows, inputs, values.data(), scales.data());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < inputs; ++i) {
      const float scale = scales[static_cast<std::size_t>(r)];
      const float value = scale * static_cast<float>(values[static_cast<std::size_t>(r * 20 + i)] - 128);
      EXPECT_LE(std::fabs(value - x[static_cast<std::size_t>(r * inputs + i)]), 0.5001f * scale);
    }
  }
}

}  // namespace
}  // namespace polymoe::kernels
