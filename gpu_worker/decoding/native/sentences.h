// The completed words behind the beams: a tree of word sequences, one entry for each distinct one.
//
// Lives within a segment; there are as many as words that any beam ever tried to complete, a few
// hundred for a second of speech at beam 600, about 100 bytes each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "language_scores.h"
#include "number_map.h"
#include "token_paths.h"

namespace decoding {

inline constexpr std::int32_t kEmptySentence = 0;  // children always have higher numbers

class Sentences {
 public:
  // Without `language`, which outlives the sentences, every score is 0.
  explicit Sentences(const LanguageScores* language) : language_(language) { clear(); }

  void clear() {
    sentences_.assign(1, Sentence{kEmptySentence, 0, 0, 0, 0.0, 0.0, kNever, kRoot});
    numbers_.clear();
    words_.clear();
    word_numbers_.clear();
    successions_.clear();
    succession_numbers_.clear();
    histories_.clear();
    histories_[{}] = 0;
    history_words_.assign(1, {});
  }

  // The sentence with one more word; `spell` says which, and is asked only where it is new.
  template <typename Spell>
  std::int32_t extended(std::int32_t sentence, std::uint64_t spelling, const Spell& spell) {
    const Key key{spelling, sentence, 0};
    if (const std::int32_t* known = numbers_.find(key)) return *known;
    const Succession next = succession(sentences_[sentence].history, spelling, spell);
    const Sentence& before = sentences_[sentence];
    const double score = language_ ? before.score + language_->weighted(next.log10) : 0.0;
    sentences_.push_back(Sentence{sentence, before.length + 1, next.word, next.history, next.log10,
                                  score, kNever, kRoot});
    return numbers_.find_or_add(key, static_cast<std::int32_t>(sentences_.size()) - 1);
  }

  std::int32_t parent(std::int32_t sentence) const { return sentences_.at(sentence).parent; }

  const std::string& last_word(std::int32_t sentence) const {
    return words_[sentences_.at(sentence).word];
  }

  // A number that is equal where the same words bear on the scores of words to come.
  std::int32_t history(std::int32_t sentence) const { return sentences_.at(sentence).history; }

  // The language model's score of the last word; 0 without a model.
  double log10(std::int32_t sentence) const { return sentences_.at(sentence).log10; }

  // The language model's weighted score of all words, without an end of sentence.
  double score(std::int32_t sentence) const { return sentences_.at(sentence).score; }

  // Notes that a beam has completed the last word along `path`, `margin` behind the leading beam.
  // The beam that stood best tells a word's times. They are settled once all beams contain the
  // sentence: nothing completes it again.
  void completed(std::int32_t sentence, double margin, std::int32_t path) {
    Sentence& entry = sentences_[sentence];
    if (margin > entry.margin) {
      entry.margin = margin;
      entry.path = path;
    }
  }

  // The path that tells the last word's times.
  std::int32_t path(std::int32_t sentence) const { return sentences_.at(sentence).path; }

  // The longest sentence that both begin with. Parents have lower numbers than their children.
  std::int32_t common(std::int32_t one, std::int32_t other) const {
    while (one != other) {
      std::int32_t& later = one > other ? one : other;
      later = sentences_[later].parent;
    }
    return one;
  }

  // In words.
  std::int32_t length(std::int32_t sentence) const { return sentences_.at(sentence).length; }

  // The words, the first one first.
  std::vector<std::string> words(std::int32_t sentence) const {
    std::vector<std::string> words;
    for (; sentence != kEmptySentence; sentence = parent(sentence)) {
      words.push_back(last_word(sentence));
    }
    std::reverse(words.begin(), words.end());
    return words;
  }

  // The language model's score of each of them.
  std::vector<double> log10s(std::int32_t sentence) const {
    std::vector<double> scores;
    for (; sentence != kEmptySentence; sentence = parent(sentence)) {
      scores.push_back(log10(sentence));
    }
    std::reverse(scores.begin(), scores.end());
    return scores;
  }

 private:
  static constexpr double kNever = -std::numeric_limits<double>::infinity();

  struct Sentence {
    std::int32_t parent;
    std::int32_t length;
    std::int32_t word;
    std::int32_t history;
    double log10;
    double score;
    double margin;  // how the beam that completed the last word stood against the best
    std::int32_t path;
  };

  // What a word after a history is: the same for all sentences that end in the history.
  struct Succession {
    std::int32_t word;
    std::int32_t history;
    double log10;
  };

  template <typename Spell>
  Succession succession(std::int32_t history, std::uint64_t spelling, const Spell& spell) {
    const Key key{spelling, history, 0};
    if (const std::int32_t* known = succession_numbers_.find(key)) return successions_[*known];
    const std::int32_t word = word_number(spelling, spell);
    const std::int32_t next = history_after(history, word);
    const double log10 = language_ ? language_->score_word(history, words_[word], next) : 0.0;
    succession_numbers_.find_or_add(key, static_cast<std::int32_t>(successions_.size()));
    successions_.push_back(Succession{word, next, log10});
    return successions_.back();
  }

  template <typename Spell>
  std::int32_t word_number(std::uint64_t spelling, const Spell& spell) {
    const auto [place, is_new] = word_numbers_.try_emplace(spelling, words_.size());
    if (is_new) words_.push_back(spell());
    return place->second;
  }

  // The number of what the model looks back on after a history and one word more.
  std::int32_t history_after(std::int32_t history, std::int32_t word) {
    std::vector<std::int32_t> words = history_words_[history];
    words.push_back(word);
    const std::size_t memory = language_ ? language_->memory : 1;
    if (words.size() > memory) words.erase(words.begin());
    const auto [place, is_new] = histories_.try_emplace(words, history_words_.size());
    if (is_new) history_words_.push_back(std::move(words));
    return place->second;
  }

  const LanguageScores* language_;
  std::vector<Sentence> sentences_;
  NumberMap numbers_;  // by parent and the last word's spelling
  std::vector<std::string> words_;
  std::unordered_map<std::uint64_t, std::int32_t> word_numbers_;
  std::vector<Succession> successions_;
  NumberMap succession_numbers_;  // by history and spelling
  std::map<std::vector<std::int32_t>, std::int32_t> histories_;
  std::vector<std::vector<std::int32_t>> history_words_;
};

}  // namespace decoding
