// The forward pass of CTC over the states of one or more texts; ../ctc_states.py says what they
// are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace decoding {

// The natural logarithm of the sum of three probabilities, given theirs. The largest counts as 1.
inline double log_sum(double a, double b, double c) {
  constexpr double kNoWeight = -700.0;  // exp() of less is subnormal: slow, and nothing in the sum
  const double highest = std::max({a, b, c});
  double total = 0.0;
  for (const double one : {a, b, c}) {
    if (one - highest > kNoWeight) total += std::exp(one - highest);
  }
  return highest + std::log(total);
}

// One frame: `scores` of the states, behind two that are never reached, become those after it.
// From the last state to the first, so that each still finds its predecessors of before.
inline void ctc_frame(const double* row, const std::int64_t* tokens, const double* skip,
                      std::size_t states, double* scores) {
  for (std::size_t state = states; state-- > 0;) {
    double* own = scores + 2 + state;
    *own = log_sum(own[0], own[-1], own[-2] + skip[state]) + row[tokens[state]];
  }
}

}  // namespace decoding
