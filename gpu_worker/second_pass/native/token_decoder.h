// Moonshine's decoder, a token at a time, for processors with AVX-512 VNNI: what PyTorch spends on
// calls between small products is most of a token's time.
//
// The rows are the texts of one utterance's beam. They share the keys and values of its frames. Of
// its own tokens each row has keys and values where they were computed, and a list of which: a text
// that goes on from another takes over its list, and nothing is copied. Linear layers are those of
// acoustic::Int8Linear; the rest is float32. One decoder is one thread's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "../../acoustic/native/int8_linear.h"
#include "../../acoustic/native/wide.h"

namespace second_pass {

using acoustic::first;
using acoustic::Floats;
using acoustic::Int8Linear;
using acoustic::kLanes;
using acoustic::whole_lanes;

inline constexpr std::size_t kMostRows = 8;

struct Shape {
  std::size_t width;
  std::size_t heads;
  std::size_t rotated;  // numbers of a head that turn with the position, in neighbouring pairs
  float rotation_base;
  std::size_t hidden;
  std::size_t vocabulary;
  std::size_t max_tokens;

  std::size_t head() const { return width / heads; }
};

struct Layer {
  Floats norm_self, norm_cross, norm_mlp;  // weights; these norms have no bias
  Int8Linear query_key_value, self_out, cross_query, cross_out, gated_in, out;
};

// What is known of an utterance's frames, and of the texts so far.
class Rows {
 public:
  // Keys and values are (layers, heads, head, frames).
  Rows(const Shape& shape, const float* keys, const float* values, std::size_t layers,
       std::size_t frames, std::size_t rows)
      : frames_(frames), stride_(whole_lanes(frames)), rows_(rows), paths_(rows) {
    if (rows == 0 || rows > kMostRows) throw std::invalid_argument("there must be 1 to 8 rows");
    if (frames == 0) throw std::invalid_argument("an utterance has frames");
    const std::size_t lines = layers * shape.width;
    frame_keys_ = padded(keys, lines);
    frame_values_ = padded(values, lines);
    token_keys_.resize(layers * shape.max_tokens * rows * shape.width);
    token_values_.resize(token_keys_.size());
  }

  std::size_t rows() const { return rows_; }
  std::size_t length() const { return length_; }

  // Row i goes on from what was row `parents[i]`.
  void follow(const std::int64_t* parents) {
    std::vector<std::vector<std::uint32_t>> paths(rows_);
    for (std::size_t row = 0; row < rows_; ++row) {
      if (parents[row] < 0 || parents[row] >= static_cast<std::int64_t>(rows_)) {
        throw std::out_of_range("a parent is one of the rows");
      }
      paths[row] = paths_[parents[row]];
    }
    paths_ = std::move(paths);
  }

 private:
  friend class TokenDecoder;

  Floats padded(const float* from, std::size_t lines) const {
    Floats to(lines * stride_, 0.0F);
    for (std::size_t line = 0; line < lines; ++line) {
      std::copy_n(from + line * frames_, frames_, to.data() + line * stride_);
    }
    return to;
  }

  std::size_t frames_;
  std::size_t stride_;  // of a line of frames: whole registers, the rest zeros
  std::size_t rows_;
  std::size_t length_ = 0;
  Floats frame_keys_, frame_values_;
  Floats token_keys_, token_values_;               // (layers, tokens, rows, width)
  std::vector<std::vector<std::uint32_t>> paths_;  // of each row, for each token: in which row
};

#if defined(__x86_64__)

class TokenDecoder {
 public:
  // `embedding` is (vocabulary, width), kept and not copied.
  TokenDecoder(const Shape& shape, std::vector<Layer> layers, const float* embedding, Floats norm,
               Int8Linear output)
      : shape_(shape),
        layers_(std::move(layers)),
        embedding_(embedding),
        norm_(std::move(norm)),
        output_(std::move(output)) {
    const std::size_t pairs = shape_.rotated / 2;
    for (std::size_t position = 0; position < shape_.max_tokens; ++position) {
      for (std::size_t pair = 0; pair < pairs; ++pair) {
        const float part = 2.0F * static_cast<float>(pair) / static_cast<float>(shape_.rotated);
        const float angle = static_cast<float>(position) * std::pow(shape_.rotation_base, -part);
        cosines_.push_back(std::cos(angle));
        sines_.push_back(std::sin(angle));
      }
    }
  }

  const Shape& shape() const { return shape_; }
  std::size_t layers() const { return layers_.size(); }

  // The newest token of each row to the log-probabilities of the next, (rows, vocabulary).
  void step(const std::int64_t* tokens, Rows& state, float* log_probs) {
    if (state.length_ == shape_.max_tokens) throw std::length_error("no text is that long");
    const std::size_t rows = state.rows_, width = shape_.width;
    hold(rows, state.stride_);
    for (std::size_t row = 0; row < rows; ++row) {
      if (tokens[row] < 0 || tokens[row] >= static_cast<std::int64_t>(shape_.vocabulary)) {
        throw std::out_of_range("a token is one of the vocabulary");
      }
      std::copy_n(embedding_ + tokens[row] * width, width, x_.data() + row * width);
      state.paths_[row].push_back(static_cast<std::uint32_t>(row));
    }
    for (std::size_t number = 0; number < layers_.size(); ++number) {
      const Layer& layer = layers_[number];
      attend_to_tokens(layer, number, state);
      attend_to_frames(layer, number, state);
      think(layer, rows);
    }
    ++state.length_;
    normalise(norm_, rows);
    output_.run(normed_.data(), rows, log_probs);
    for (std::size_t row = 0; row < rows; ++row) {
      log_softmax(log_probs + row * shape_.vocabulary, shape_.vocabulary);
    }
  }

 private:
  void hold(std::size_t rows, std::size_t stride) {
    const std::size_t width = shape_.width;
    for (auto [buffer, size] :
         {std::pair(&x_, rows * width), std::pair(&normed_, rows * width),
          std::pair(&projected_, rows * 3 * width), std::pair(&attended_, rows * width),
          std::pair(&out_, rows * width), std::pair(&hidden_, rows * 2 * shape_.hidden),
          std::pair(&scores_, rows * std::max(stride, whole_lanes(shape_.max_tokens)))}) {
      if (buffer->size() < size) buffer->resize(size);
    }
  }

  void attend_to_tokens(const Layer& layer, std::size_t number, Rows& state) {
    const std::size_t rows = state.rows_, width = shape_.width, at = state.length_;
    normalise(layer.norm_self, rows);
    layer.query_key_value.run(normed_.data(), rows, projected_.data());
    const std::size_t first = number * shape_.max_tokens * rows * width;
    for (std::size_t row = 0; row < rows; ++row) {
      float* query = projected_.data() + row * 3 * width;
      turn(query, at);
      turn(query + width, at);
      const std::size_t place = first + (at * rows + row) * width;
      std::copy_n(query + width, width, state.token_keys_.data() + place);
      std::copy_n(query + 2 * width, width, state.token_values_.data() + place);
    }
    for (std::size_t row = 0; row < rows; ++row) {
      attend_row(projected_.data() + row * 3 * width, state.token_keys_.data() + first,
                 state.token_values_.data() + first, state.paths_[row], rows,
                 attended_.data() + row * width);
    }
    layer.self_out.run(attended_.data(), rows, out_.data());
    add(rows);
  }

  void attend_to_frames(const Layer& layer, std::size_t number, Rows& state) {
    const std::size_t rows = state.rows_, width = shape_.width;
    normalise(layer.norm_cross, rows);
    layer.cross_query.run(normed_.data(), rows, projected_.data());
    for (std::size_t head = 0; head < shape_.heads; ++head) {
      const std::size_t begin = head * shape_.head();
      const std::size_t lines = (number * width + begin) * state.stride_;
      frames_of<kMostRows>(rows, begin, state.frame_keys_.data() + lines,
                           state.frame_values_.data() + lines, state);
    }
    layer.cross_out.run(attended_.data(), rows, out_.data());
    add(rows);
  }

  void think(const Layer& layer, std::size_t rows) {
    normalise(layer.norm_mlp, rows);
    layer.gated_in.run(normed_.data(), rows, hidden_.data());
    for (std::size_t row = 0; row < rows; ++row) {
      gate(hidden_.data() + row * 2 * shape_.hidden, hidden_.data() + row * shape_.hidden);
    }
    layer.out.run(hidden_.data(), rows, out_.data());
    add(rows);
  }

  // As many rows as there are, as a constant.
  template <int Rows_>
  void frames_of(std::size_t rows, std::size_t begin, const float* keys, const float* values,
                 const Rows& state) {
    if (rows == Rows_) {
      attend_frames<Rows_>(begin, keys, values, state);
    } else if constexpr (Rows_ > 1) {
      frames_of<Rows_ - 1>(rows, begin, keys, values, state);
    }
  }

  // One head of all rows over the frames, 16 frames at a time.
  template <int Rows_>
  WIDE void attend_frames(std::size_t begin, const float* keys, const float* values,
                          const Rows& state) {
    const std::size_t head = shape_.head(), width = shape_.width, stride = state.stride_;
    const float* query = projected_.data() + begin;
    for (std::size_t t = 0; t < stride; t += kLanes) {
      __m512 sums[Rows_];
#pragma GCC unroll 8
      for (int row = 0; row < Rows_; ++row) sums[row] = _mm512_setzero_ps();
      for (std::size_t i = 0; i < head; ++i) {
        const __m512 key = _mm512_load_ps(keys + i * stride + t);
#pragma GCC unroll 8
        for (int row = 0; row < Rows_; ++row) {
          sums[row] = _mm512_fmadd_ps(_mm512_set1_ps(query[row * width + i]), key, sums[row]);
        }
      }
#pragma GCC unroll 8
      for (int row = 0; row < Rows_; ++row) {
        _mm512_store_ps(scores_.data() + row * stride + t, sums[row]);
      }
    }
    for (int row = 0; row < Rows_; ++row) softmax(scores_.data() + row * stride, state.frames_);
    for (std::size_t i = 0; i < head; ++i) {
      __m512 sums[Rows_];
#pragma GCC unroll 8
      for (int row = 0; row < Rows_; ++row) sums[row] = _mm512_setzero_ps();
      for (std::size_t t = 0; t < stride; t += kLanes) {
        const __m512 value = _mm512_load_ps(values + i * stride + t);
#pragma GCC unroll 8
        for (int row = 0; row < Rows_; ++row) {
          sums[row] =
              _mm512_fmadd_ps(_mm512_load_ps(scores_.data() + row * stride + t), value, sums[row]);
        }
      }
#pragma GCC unroll 8
      for (int row = 0; row < Rows_; ++row) {
        attended_[row * width + begin + i] = _mm512_reduce_add_ps(sums[row]);
      }
    }
  }

  // All heads of one row over its own tokens, which lie where `path` says.
  WIDE void attend_row(const float* query, const float* keys, const float* values,
                       const std::vector<std::uint32_t>& path, std::size_t rows, float* to) {
    const std::size_t head = shape_.head(), width = shape_.width, tokens = path.size();
    for (std::size_t begin = 0; begin < width; begin += head) {
      for (std::size_t t = 0; t < tokens; ++t) {
        const float* key = keys + (t * rows + path[t]) * width + begin;
        __m512 sum = _mm512_setzero_ps();
        for (std::size_t i = 0; i < head; i += kLanes) {
          const __mmask16 some = first(head - i);
          sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(some, query + begin + i),
                                _mm512_maskz_loadu_ps(some, key + i), sum);
        }
        scores_[t] = _mm512_reduce_add_ps(sum);
      }
      softmax(scores_.data(), tokens);
      for (std::size_t i = 0; i < head; i += kLanes) {
        const __mmask16 some = first(head - i);
        __m512 sum = _mm512_setzero_ps();
        for (std::size_t t = 0; t < tokens; ++t) {
          const float* value = values + (t * rows + path[t]) * width + begin + i;
          sum =
              _mm512_fmadd_ps(_mm512_set1_ps(scores_[t]), _mm512_maskz_loadu_ps(some, value), sum);
        }
        _mm512_mask_storeu_ps(to + begin + i, some, sum);
      }
    }
  }

  // Scores to shares, which are divided by the root of a head's width first; zeros up to 16.
  WIDE void softmax(float* scores, std::size_t count) const {
    const __m512 scale = _mm512_set1_ps(1.0F / std::sqrt(static_cast<float>(shape_.head())));
    __m512 highest = _mm512_set1_ps(-INFINITY);
    for (std::size_t i = 0; i < count; i += kLanes) {
      const __mmask16 some = first(count - i);
      const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, scores + i), scale);
      _mm512_storeu_ps(scores + i, scaled);
      highest = _mm512_mask_max_ps(highest, some, highest, scaled);
    }
    const __m512 most = _mm512_set1_ps(_mm512_reduce_max_ps(highest));
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t i = 0; i < count; i += kLanes) {
      const __m512 share = _mm512_maskz_mov_ps(
          first(count - i),
          acoustic::exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + i), most)));
      _mm512_storeu_ps(scores + i, share);
      sum = _mm512_add_ps(sum, share);
    }
    const __m512 inverse = _mm512_set1_ps(1.0F / _mm512_reduce_add_ps(sum));
    for (std::size_t i = 0; i < count; i += kLanes) {
      _mm512_storeu_ps(scores + i, _mm512_mul_ps(_mm512_loadu_ps(scores + i), inverse));
    }
  }

  WIDE static void log_softmax(float* logits, std::size_t count) {
    __m512 highest = _mm512_set1_ps(-INFINITY);
    for (std::size_t i = 0; i < count; i += kLanes) {
      const __mmask16 some = first(count - i);
      highest = _mm512_mask_max_ps(highest, some, highest, _mm512_maskz_loadu_ps(some, logits + i));
    }
    const float most = _mm512_reduce_max_ps(highest);
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t i = 0; i < count; i += kLanes) {
      const __mmask16 some = first(count - i);
      const __m512 below =
          _mm512_sub_ps(_mm512_maskz_loadu_ps(some, logits + i), _mm512_set1_ps(most));
      sum = _mm512_add_ps(sum, _mm512_maskz_mov_ps(some, acoustic::exponential(below)));
    }
    const __m512 all = _mm512_set1_ps(most + std::log(_mm512_reduce_add_ps(sum)));
    for (std::size_t i = 0; i < count; i += kLanes) {
      const __mmask16 some = first(count - i);
      const __m512 logit = _mm512_maskz_loadu_ps(some, logits + i);
      _mm512_mask_storeu_ps(logits + i, some, _mm512_sub_ps(logit, all));
    }
  }

  // Half of the numbers times SiLU of the other half: (2 * hidden,) to (hidden,), maybe in place.
  WIDE void gate(const float* from, float* to) const {
    const std::size_t hidden = shape_.hidden;
    for (std::size_t i = 0; i < hidden; i += kLanes) {
      const __mmask16 some = first(hidden - i);
      const __m512 value = _mm512_maskz_loadu_ps(some, from + i);
      const __m512 x = _mm512_maskz_loadu_ps(some, from + hidden + i);
      _mm512_mask_storeu_ps(to + i, some, _mm512_mul_ps(value, acoustic::silu(x)));
    }
  }

  // Each row of `x_` to `normed_`.
  void normalise(const Floats& weight, std::size_t rows) {
    const std::size_t width = shape_.width;
    for (std::size_t at = 0; at < rows * width; at += width) {
      acoustic::normalise(x_.data() + at, width, weight.data(), nullptr, normed_.data() + at);
    }
  }

  void turn(float* heads, std::size_t position) const {
    const std::size_t pairs = shape_.rotated / 2;
    const float* cosine = cosines_.data() + position * pairs;
    const float* sine = sines_.data() + position * pairs;
    for (float* head = heads; head < heads + shape_.width; head += shape_.head()) {
      for (std::size_t pair = 0; pair < pairs; ++pair) {
        const float even = head[2 * pair], odd = head[2 * pair + 1];
        head[2 * pair] = even * cosine[pair] - odd * sine[pair];
        head[2 * pair + 1] = odd * cosine[pair] + even * sine[pair];
      }
    }
  }

  void add(std::size_t rows) {
    for (std::size_t i = 0; i < rows * shape_.width; ++i) x_[i] += out_[i];
  }

  Shape shape_;
  std::vector<Layer> layers_;
  const float* embedding_;
  Floats norm_;
  Int8Linear output_;
  std::vector<float> cosines_, sines_;  // (positions, pairs)
  Floats x_, normed_, projected_, attended_, out_, hidden_, scores_;
};

#else

class TokenDecoder {
 public:
  TokenDecoder(const Shape& shape, std::vector<Layer> layers, const float*, Floats, Int8Linear)
      : shape_(shape), layers_(layers.size()) {}
  const Shape& shape() const { return shape_; }
  std::size_t layers() const { return layers_; }
  void step(const std::int64_t*, Rows&, float*) {}

 private:
  Shape shape_;
  std::size_t layers_;
};

#endif

}  // namespace second_pass
