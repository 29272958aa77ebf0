// What a language model adds to a beam's score, and the words that it knows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "lexicon.h"

namespace decoding {

// The log10 of a word after a history. From then on the history that the two make has a number,
// which comes last; history 0 is the start of a sentence.
using ScoreWord = std::function<double(std::int32_t, const std::string&, std::int32_t)>;

struct LanguageScores {
  ScoreWord score_word;
  double alpha;                            // weighs the model against the acoustics
  double beta;                             // for each word
  double ln10;                             // natural logarithms for a log10
  std::size_t memory;                      // how many words the model looks back on, at least 1
  std::shared_ptr<const Lexicon> lexicon;  // without it every beginning of a word is unknown
  double unknown_score;                    // of an unfinished word that no known word begins with,
  double usual_word_length;                // lowered further where it is longer than this

  double weighted(double log10) const { return alpha * log10 * ln10 + beta; }

  // For an unfinished word of `length` characters; 0 is none.
  double unfinished(std::uint64_t spelling, std::int32_t length) const {
    if (length == 0 || (lexicon && lexicon->holds(spelling))) return 0.0;
    return std::min(unknown_score * length / usual_word_length, unknown_score);
  }
};

}  // namespace decoding
