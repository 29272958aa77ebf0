// A transformer's encoder (Vaswani et al., 2017; norms first) over one window at a time, for
// processors with AVX-512 VNNI: what PyTorch spends on copies and calls between products is nearly
// half of a window's time.
//
// Linear layers are those of Int8Linear, the rest is float32. Several threads may use one encoder;
// each has memory of its own, which is kept from call to call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "attention.h"
#include "feed_forward.h"

namespace acoustic {

struct TransformerLayer {
  Norm norm;
  Int8Linear query_key_value, joined;
  FeedForward feed_forward;
};

class Transformer {
 public:
  // Layers from the lowest to the top one, and the norm of what comes out of that.
  Transformer(std::vector<TransformerLayer> layers, Norm norm, std::size_t heads)
      : layers_(std::move(layers)),
        norm_(std::move(norm)),
        width_(norm_.weight.size()),
        attention_(width_, heads) {}

  std::size_t width() const { return width_; }
  std::size_t head() const { return attention_.head(); }

  // `x` is (frames, width), and those with a mark in `heard` are attended to: all if it is null, or
  // without a mark. Frames from `begin` to before `end` go to `out`, in rows that are `stride`
  // apart; what of them goes into the top layer to `below`, if that is not null.
  void run(const float* x, std::size_t frames, const bool* heard, Angles angles, std::size_t begin,
           std::size_t end, float* out, float* below, std::size_t stride) const {
    thread_local Memory memory;
    memory.attended.clear();
    for (std::size_t frame = 0; heard != nullptr && frame < frames; ++frame) {
      if (heard[frame]) memory.attended.push_back(frame);
    }
    if (memory.attended.empty()) {
      memory.attended.resize(frames);
      std::iota(memory.attended.begin(), memory.attended.end(), 0);
    }
    float* state = room(memory.state, frames * width_);
    std::copy_n(x, frames * width_, state);
    for (const TransformerLayer& layer : layers_) {
      const bool top = &layer == &layers_.back();
      const std::size_t from = top ? begin : 0, to = top ? end : frames;
      if (top && below != nullptr) {
        for (std::size_t frame = from; frame < to; ++frame) {
          std::copy_n(state + frame * width_, width_, below + (frame - begin) * stride);
        }
      }
      transform(layer, state, frames, angles, from, to, memory);
    }
    for (std::size_t frame = begin; frame < end; ++frame) {
      norm_(state + frame * width_, out + (frame - begin) * stride);
    }
  }

 private:
  struct Memory {
    std::vector<std::size_t> attended;
    Floats state, normed, projected, mixed;
  };

  // One layer, in place; of all frames' keys and values, and the rest of those `from` .. `to`
  // alone.
  void transform(const TransformerLayer& layer, float* state, std::size_t frames, Angles angles,
                 std::size_t from, std::size_t to, Memory& memory) const {
    float* normed = room(memory.normed, width_);
    float* projected = room(memory.projected, frames * 3 * width_);
    float* mixed = room(memory.mixed, (to - from) * width_);
    layer.query_key_value.run(frames,
                              [&](std::size_t frame) {
                                layer.norm(state + frame * width_, normed);
                                return normed;
                              },
                              {projected, 3 * width_});
    attention_.run(projected, memory.attended.data(), memory.attended.size(), angles, from, to,
                   mixed);
    float* wanted = state + from * width_;
    layer.joined.run(to - from, [&](std::size_t row) { return mixed + row * width_; },
                     {wanted, width_, true});
    layer.feed_forward.add_to(wanted, to - from);
  }

  std::vector<TransformerLayer> layers_;
  Norm norm_;
  std::size_t width_;
  Attention attention_;
};

}  // namespace acoustic
