// The tokens that beams have emitted and when: a tree of back-pointers from beams to the start.
//
// Only tokens of surviving beams are kept, so a segment of n frames holds at most n * beam_size of
// them, 24 bytes each; at 500 frames and beam 600 that bound is 7.2 MB, and speech uses a tenth.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace decoding {

inline constexpr std::int32_t kRoot = -1;  // the path without tokens

// A word, when it was emitted, and its tokens' log-probabilities: their sum and the lowest.
struct TimedWord {
  std::string text;
  std::int32_t start_frame;
  std::int32_t end_frame;
  double log_prob;
  double min_log_prob;
  std::int32_t tokens;
};

class TokenPaths {
 public:
  struct Token {
    std::int32_t parent;
    std::int32_t token;
    std::int32_t frame;  // of its first emission
    // Of the token before, known only once this one has followed it:
    std::int32_t end_before;  // the frame after its last emission
    float peak_before;        // its highest log-probability while it was held
    bool opens_word;
  };

  // `spellings` are the characters that each token adds to a word.
  explicit TokenPaths(std::vector<std::string> spellings) : spellings_(std::move(spellings)) {}

  void clear() { tokens_.clear(); }

  // Appends a token to its parent; gives the path's new end.
  std::int32_t add(const Token& token) {
    tokens_.push_back(token);
    return static_cast<std::int32_t>(tokens_.size()) - 1;
  }

  // The last word of a path, whose last token was held up to frame `end` (exclusive) and had the
  // log-probability `peak` at best.
  TimedWord word(std::int32_t path, std::int32_t end, double peak) const {
    TimedWord word{"", end, 0, 0.0, 0.0, 0};
    std::vector<std::int32_t> spoken;  // the last one first
    while (path != kRoot) {
      const Token& token = tokens_[path];
      if (!spellings_[token.token].empty()) {
        if (spoken.empty()) word.end_frame = end;
        spoken.push_back(token.token);
        word.start_frame = token.frame;
        word.log_prob += peak;
        word.min_log_prob = std::min(word.min_log_prob, peak);
      }
      if (token.opens_word) break;
      path = token.parent;
      end = token.end_before;
      peak = token.peak_before;
    }
    for (auto token = spoken.rbegin(); token != spoken.rend(); ++token) {
      word.text += spellings_[*token];
    }
    word.tokens = static_cast<std::int32_t>(spoken.size());
    return word;
  }

  // The word that the last token of a path has ended.
  TimedWord word_before(std::int32_t path) const {
    const Token& last = tokens_[path];
    return word(last.parent, last.end_before, last.peak_before);
  }

 private:
  std::vector<std::string> spellings_;
  std::vector<Token> tokens_;
};

}  // namespace decoding
