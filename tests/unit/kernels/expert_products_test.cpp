#include "polymoe/kernels/cpu/expert_products.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "support/products.h"

namespace polymoe::kernels {
namespace {

// An expert's layer, with what comes of it. Sizes that fill tiles, panels and blocks, and others.
struct Expert {
  std::int64_t rows, inputs, outputs;
  std::vector<float> x = numbers(rows * inputs, "x");
  std::vector<float> weight = numbers(outputs * inputs, "weight");
  std::vector<float> bias = numbers(outputs, "bias");
  std::vector<float> dy = numbers(rows * outputs, "dy");
  std::vector<float> scratch = std::vector<float>(static_cast<std::size_t>(expert_scratch(rows, outputs, inputs)));

  std::vector<float> forward(Vectors vectors, std::int64_t count, std::int64_t first, std::int64_t last) {
    std::vector<float> y(static_cast<std::size_t>(count * outputs), 9.0f);
    expert_forward(x.data(), count, weight.data(), outputs, inputs, bias.data(), first, last, y.data(), scratch.data(),
                   vectors);
    return y;
  }
  std::vector<float> backward(Vectors vectors, std::int64_t count, std::int64_t first, std::int64_t last) {
    std::vector<float> dx(static_cast<std::size_t>(count * inputs), 9.0f);
    expert_backward(dy.data(), count, weight.data(), outputs, inputs, first, last, dx.data(), scratch.data(), vectors);
    return dx;
  }
  std::vector<float> gradient(Vectors vectors, std::int64_t first, std::int64_t last) {
    std::vector<float> dw(weight.size(), 9.0f);
    expert_weight_gradient(dy.data(), outputs, x.data(), rows, outputs, inputs, first, last, dw.data(), scratch.data(),
                           vectors);
    return dw;
  }
};
std::vector<Expert> experts() { return {{1, 64, 64}, {7, 37, 70}, {13, 129, 64}, {64, 128, 192}, {300, 65, 90}}; }

// sum over i < terms of a(r, i) * b(i, c), in double.
using Element = std::function<double(std::int64_t, std::int64_t)>;
void expect_product(const std::vector<float>& found, std::int64_t rows, std::int64_t columns, std::int64_t terms,
                    const Element& a, const Element& b) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < terms; ++i) sum += a(r, i) * b(i, c);
      ASSERT_NEAR(found[static_cast<std::size_t>(r * columns + c)], sum, 2e-6 * static_cast<double>(terms + 1));
    }
  }
}

Element of(const std::vector<float>& values, std::int64_t width) {
  return [&values, width](std::int64_t r, std::int64_t c) {
    return static_cast<double>(values[static_cast<std::size_t>(r * width + c)]);
  };
}

Element transposed(const Element& element) {
  return [element](std::int64_t r, std::int64_t c) { return element(c, r); };
}

TEST(ExpertProducts, AreTheProducts) {
  for (Expert& e : experts()) {
    const Element x = of(e.x, e.inputs), w = of(e.weight, e.inputs), dy = of(e.dy, e.outputs);
    for (const Vectors vectors : all_vectors()) {
      std::vector<float> y = e.forward(vectors, e.rows, 0, panels_of(e.outputs));
      for (std::size_t i = 0; i < y.size(); ++i) y[i] -= e.bias[i % e.bias.size()];
      expect_product(y, e.rows, e.outputs, e.inputs, x, transposed(w));
      const std::vector<float> dx = e.backward(vectors, e.rows, 0, panels_of(e.inputs));
      expect_product(dx, e.rows, e.inputs, e.outputs, dy, w);
      const std::vector<float> dw = e.gradient(vectors, 0, panels_of(e.inputs));
      expect_product(dw, e.outputs, e.inputs, e.rows, transposed(dy), x);
    }
  }
}

TEST(ExpertProducts, RangesOfPanelsPutTheWholeTogether) {
  for (Expert& e : experts()) {
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

TEST(ExpertProducts, SomeOutputsHaveTheirPartOfTheGradient) {
  Expert e{300, 65, 90};
  const std::vector<float> whole = e.gradient(best_vectors(), 0, panels_of(e.inputs));
  constexpr std::int64_t kFirst = 31, kCount = 40;
  std::vector<float> some(static_cast<std::size_t>(kCount * e.inputs));
  expert_weight_gradient(e.dy.data() + kFirst, e.outputs, e.x.data(), e.rows, kCount, e.inputs, 0, panels_of(e.inputs),
                         some.data(), e.scratch.data());
  EXPECT_TRUE(std::equal(some.begin(), some.end(), whole.begin() + kFirst * e.inputs));
}

// Tiles of other heights, and another place in them, change no bit.
TEST(ExpertProducts, ARowIsTheSameWhateverElseIsThere) {
  for (Expert& e : experts()) {
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
