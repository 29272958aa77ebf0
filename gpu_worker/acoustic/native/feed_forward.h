// Parts of a compiled network whose rows are normalised and go through 8-bit layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "int8_linear.h"
#include "wide.h"

namespace acoustic {

enum class Activation { kNone, kGelu, kSilu };

inline void activate(Activation activation, float* row, std::size_t count) {
  if (activation == Activation::kGelu) gelu(row, count);
  if (activation == Activation::kSilu) silu(row, count);
}

// A layer norm's weights, and its bias or nothing.
struct Norm {
  Floats weight, bias;

  void operator()(const float* row, float* to) const {
    normalise(row, weight.size(), weight.data(), bias.empty() ? nullptr : bias.data(), to);
  }
};

// Two linear layers with an activation between, over normalised rows, on top of these. Some rows at
// a time, so that their hidden numbers stay in the second cache.
struct FeedForward {
  Norm norm;
  Int8Linear in, out;
  Activation activation;

  // `x` is (rows, width).
  void add_to(float* x, std::size_t rows) const {
    constexpr std::size_t kTogether = 4 * kTileRows;
    const std::size_t width = in.inputs(), hidden = in.outputs();
    thread_local Floats memory;
    float* normed = room(memory, whole_lanes(width) + kTogether * hidden);
    float* inner = normed + whole_lanes(width);
    for (std::size_t row = 0; row < rows; row += kTogether) {
      float* from = x + row * width;
      const std::size_t some = std::min(kTogether, rows - row);
      in.run(some,
             [&](std::size_t i) {
               norm(from + i * width, normed);
               return normed;
             },
             {inner, hidden});
      out.run(some,
              [&](std::size_t i) {
                activate(activation, inner + i * hidden, hidden);
                return inner + i * hidden;
              },
              {from, width, true});
    }
  }
};

}  // namespace acoustic
