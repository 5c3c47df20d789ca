#include "polymoe/kernels/cpu/expert_products.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "support/products.h"

namespace polymoe::kernels {
namespace {

// An expert's layer, with what comes of it. Sizes that fill tiles, panels and blocks, and others; bfloat16 has even
// ones.
template <typename Element>
struct Expert {
  std::int64_t rows, inputs, outputs;
  std::vector<Element> x, weight, bias, dy;
  std::vector<float> scratch;

  Expert(std::int64_t rows, std::int64_t inputs, std::int64_t outputs)
      : rows(rows),
        inputs(inputs),
        outputs(outputs),
        x(elements_of<Element>(numbers(rows * inputs, "x"))),
        weight(elements_of<Element>(numbers(outputs * inputs, "weight"))),
        bias(elements_of<Element>(numbers(outputs, "bias"))),
        dy(elements_of<Element>(numbers(rows * outputs, "dy"))),
        scratch(static_cast<std::size_t>(expert_scratch<Element>(rows, outputs, inputs))) {}

  static std::vector<Element> room(std::int64_t count) {
    return elements_of<Element>(std::vector<float>(static_cast<std::size_t>(count), 9.0f));
  }
  std::vector<float> forward(Vectors vectors, std::int64_t count, std::int64_t first, std::int64_t last) {
    std::vector<Element> y = room(count * outputs);
    expert_forward(x.data(), count, weight.data(), outputs, inputs, bias.data(), first, last, y.data(), scratch.data(),
                   vectors);
    return floats_of(y);
  }
  std::vector<float> backward(Vectors vectors, std::int64_t count, std::int64_t first, std::int64_t last) {
    std::vector<Element> dx = room(count * inputs);
    expert_backward(dy.data(), count, weight.data(), outputs, inputs, first, last, dx.data(), scratch.data(), vectors);
    return floats_of(dx);
  }
  std::vector<float> gradient(Vectors vectors, std::int64_t first, std::int64_t last) {
    return some_gradient(vectors, 0, outputs, first, last);
  }
  // Of the outputs [begin, begin + count).
  std::vector<float> some_gradient(Vectors vectors, std::int64_t begin, std::int64_t count, std::int64_t first,
                                   std::int64_t last) {
    std::vector<Element> dw = room(count * inputs);
    expert_weight_gradient(dy.data() + begin, outputs, x.data(), rows, count, inputs, first, last, dw.data(),
                           scratch.data(), vectors);
    return floats_of(dw);
  }
};

template <typename Element>
std::vector<Expert<Element>> experts() {
  return {{1, 64, 64}, {7, 38, 70}, {13, 130, 64}, {64, 128, 192}, {300, 66, 90}};
}
template <>
std::vector<Expert<float>> experts() {
  return {{1, 64, 64}, {7, 37, 70}, {13, 129, 64}, {64, 128, 192}, {300, 65, 90}};
}

// sum over i < terms of a(r, i) * b(i, c) + added(c), in double.
using Factor = std::function<double(std::int64_t, std::int64_t)>;
void expect_product(const std::vector<float>& found, std::int64_t rows, std::int64_t columns, std::int64_t terms,
                    const Factor& a, const Factor& b, double rounding, const std::vector<float>& added = {}) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      double sum = added.empty() ? 0.0 : static_cast<double>(added[static_cast<std::size_t>(c)]);
      for (std::int64_t i = 0; i < terms; ++i) sum += a(r, i) * b(i, c);
      ASSERT_NEAR(found[static_cast<std::size_t>(r * columns + c)], sum,
                  2e-6 * static_cast<double>(terms + 1) + rounding * std::abs(sum));
    }
  }
}

Factor of(const std::vector<float>& values, std::int64_t width) {
  return [values, width](std::int64_t r, std::int64_t c) {
    return static_cast<double>(values[static_cast<std::size_t>(r * width + c)]);
  };
}

Factor transposed(const Factor& factor) {
  return [factor](std::int64_t r, std::int64_t c) { return factor(c, r); };
}

template <typename Element>
class ExpertProducts : public testing::Test {};
using Elements = testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(ExpertProducts, Elements);

TYPED_TEST(ExpertProducts, AreTheProducts) {
  constexpr double kOwnRounding = kRounding<TypeParam>;
  for (Expert<TypeParam>& e : experts<TypeParam>()) {
    const Factor x = of(floats_of(e.x), e.inputs), w = of(floats_of(e.weight), e.inputs),
                 dy = of(floats_of(e.dy), e.outputs);
    for (const Vectors vectors : all_vectors()) {
      expect_product(e.forward(vectors, e.rows, 0, panels_of(e.outputs)), e.rows, e.outputs, e.inputs, x, transposed(w),
                     kOwnRounding, floats_of(e.bias));
      expect_product(e.backward(vectors, e.rows, 0, panels_of(e.inputs)), e.rows, e.inputs, e.outputs, dy, w,
                     kOwnRounding);
      expect_product(e.gradient(vectors, 0, panels_of(e.inputs)), e.outputs, e.inputs, e.rows, transposed(dy), x,
                     kOwnRounding);
    }
  }
}

TYPED_TEST(ExpertProducts, RangesOfPanelsPutTheWholeTogether) {
  for (Expert<TypeParam>& e : experts<TypeParam>()) {
    const Vectors vectors = best_vectors();
    const auto joined = [](const std::vector<float>& first, const std::vector<float>& second) {
      std::vector<float> all = first;
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = first[i] != 9.0f ? first[i] : second[i];
      return all;
    };
    const std::int64_t of_y = panels_of(e.outputs), of_x = panels_of(e.inputs), half_y = of_y / 2, half_x = of_x / 2;
    EXPECT_EQ(joined(e.forward(vectors, e.rows, 0, half_y), e.forward(vectors, e.rows, half_y, of_y)),
              e.forward(vectors, e.rows, 0, of_y));
    EXPECT_EQ(joined(e.backward(vectors, e.rows, 0, half_x), e.backward(vectors, e.rows, half_x, of_x)),
              e.backward(vectors, e.rows, 0, of_x));
    EXPECT_EQ(joined(e.gradient(vectors, 0, half_x), e.gradient(vectors, half_x, of_x)), e.gradient(vectors, 0, of_x));
  }
}

TYPED_TEST(ExpertProducts, SomeOutputsHaveTheirPartOfTheGradient) {
  Expert<TypeParam> e{300, 66, 90};
  const std::vector<float> whole = e.gradient(best_vectors(), 0, panels_of(e.inputs));
  constexpr std::int64_t kFirst = 31, kCount = 40;
  const std::vector<float> some = e.some_gradient(best_vectors(), kFirst, kCount, 0, panels_of(e.inputs));
  EXPECT_TRUE(std::equal(some.begin(), some.end(), whole.begin() + kFirst * e.inputs));
}

// Scratch of the most rows of several experts serves each of them.
TYPED_TEST(ExpertProducts, NeedNoLessScratchForMoreRows) {
  for (const std::int64_t outputs : {64, 512, 2048}) {
    for (std::int64_t rows = 1; rows < 9000; ++rows)
      ASSERT_LE(expert_scratch<TypeParam>(rows - 1, outputs, 64), expert_scratch<TypeParam>(rows, outputs, 64)) << rows;
  }
}

// More terms than are laid out or summed at a time.
TYPED_TEST(ExpertProducts, ManyTermsAddUp) {
  Expert<TypeParam> many_rows{2501, 8, 212};
  expect_product(many_rows.gradient(best_vectors(), 0, panels_of(8)), 212, 8, 2501,
                 transposed(of(floats_of(many_rows.dy), 212)), of(floats_of(many_rows.x), 8), kRounding<TypeParam>);
  Expert<TypeParam> many_outputs{15, 38, 2502};
  expect_product(many_outputs.backward(best_vectors(), 15, 0, panels_of(38)), 15, 38, 2502,
                 of(floats_of(many_outputs.dy), 2502), of(floats_of(many_outputs.weight), 38), kRounding<TypeParam>);
}

// Tiles of other heights, and another place in them, change no bit.
TYPED_TEST(ExpertProducts, ARowIsTheSameWhateverElseIsThere) {
  for (Expert<TypeParam>& e : experts<TypeParam>()) {
    const std::vector<float> y = e.forward(best_vectors(), e.rows, 0, panels_of(e.outputs));
    const std::vector<float> dx = e.backward(best_vectors(), e.rows, 0, panels_of(e.inputs));
    for (const std::int64_t count : {std::int64_t{1}, e.rows / 2, e.rows - 1}) {
      if (count < 1) continue;
      std::vector<float> some = e.forward(best_vectors(), count, 0, panels_of(e.outputs));
      EXPECT_EQ(some, std::vector<float>(y.begin(), y.begin() + count * e.outputs));
      some = e.backward(best_vectors(), count, 0, panels_of(e.inputs));
      EXPECT_EQ(some, std::vector<float>(dx.begin(), dx.begin() + count * e.inputs));
    }
  }
}

}  // namespace
}  // namespace polymoe::kernels
