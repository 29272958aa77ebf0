// Blocks of depth-wise convolution over time and feed-forward layers, for processors with AVX-512
// VNNI. See HeadBlock in ../whisper_ctc.py.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "feed_forward.h"

namespace acoustic {

struct ConvolutionBlock {
  Norm norm;
  Floats taps;       // (taps, width)
  Floats bias;       // (width,)
  std::size_t past;  // how many of the taps come before the frame itself
  FeedForward feed_forward;

  std::size_t taps_count() const { return taps.size() / bias.size(); }
};

class ConvolutionHead {
 public:
  // Rows are normalised and projected to the blocks' width; what comes out is normalised, too.
  ConvolutionHead(Norm norm_in, Int8Linear in, std::vector<ConvolutionBlock> blocks, Norm norm_out)
      : norm_in_(std::move(norm_in)),
        in_(std::move(in)),
        blocks_(std::move(blocks)),
        norm_out_(std::move(norm_out)) {}

  std::size_t inputs() const { return in_.inputs(); }
  std::size_t width() const { return in_.outputs(); }

  // Frames that serve as context only, at both ends together.
  std::size_t context() const {
    std::size_t frames = 0;
    for (const ConvolutionBlock& block : blocks_) frames += block.taps_count() - 1;
    return frames;
  }

  // (frames, inputs) -> (frames - context, width).
  void run(const float* in, std::size_t frames, float* out) const {
    thread_local Floats memory;
    const std::size_t width = this->width();
    float* normed = room(memory, whole_lanes(inputs()) + 2 * frames * width);
    float* state = normed + whole_lanes(inputs());
    float* mixed = state + frames * width;
    in_.run(frames,
            [&](std::size_t frame) {
              norm_in_(in + frame * inputs(), normed);
              return normed;
            },
            {state, width});
    for (const ConvolutionBlock& block : blocks_) {
      for (std::size_t frame = 0; frame < frames; ++frame) {
        block.norm(state + frame * width, mixed + frame * width);
      }
      frames -= block.taps_count() - 1;
      state += block.past * width;
      for (std::size_t frame = 0; frame < frames; ++frame) {
        convolve(block, mixed + frame * width, state + frame * width);
      }
      block.feed_forward.add_to(state, frames);
    }
    for (std::size_t frame = 0; frame < frames; ++frame) {
      norm_out_(state + frame * width, out + frame * width);
    }
  }

 private:
#if defined(__x86_64__)
  // SiLU of the taps' sum over rows from `from` on, on top of a row.
  WIDE static void convolve(const ConvolutionBlock& block, const float* from, float* to) {
    const std::size_t width = block.bias.size(), count = block.taps_count();
    for (std::size_t i = 0; i < width; i += kLanes) {
      const __mmask16 some = first(width - i);
      __m512 sum = _mm512_maskz_loadu_ps(some, block.bias.data() + i);
      for (std::size_t tap = 0; tap < count; ++tap) {
        const std::size_t at = tap * width + i;
        sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(some, from + at),
                              _mm512_maskz_loadu_ps(some, block.taps.data() + at), sum);
      }
      const __m512 before = _mm512_maskz_loadu_ps(some, to + i);
      _mm512_mask_storeu_ps(to + i, some, _mm512_add_ps(before, silu(sum)));
    }
  }
#else
  static void convolve(const ConvolutionBlock&, const float*, float*) {}
#endif

  Norm norm_in_;
  Int8Linear in_;
  std::vector<ConvolutionBlock> blocks_;
  Norm norm_out_;
};

}  // namespace acoustic
