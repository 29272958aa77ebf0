// The beams of a CTC prefix beam search, frame by frame, and all that they point to.
//
// The search and its rules are described in ../beam_search.py. Where beams tie, pyctcdecode's order
// decides, so candidates are visited in its order: by token, then by beam.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "language_scores.h"
#include "number_map.h"
#include "sentences.h"
#include "token_paths.h"

namespace decoding {

// What a token does to a beam. `spelling` and `power` are the hash of the characters that it adds,
// `text`, and what to multiply the hash of those before by.
struct Token {
  std::string text;
  std::uint64_t spelling;
  std::uint64_t power;
  std::int32_t length;  // in characters
  bool opens_word;
  bool closes_word;
};

struct Beam {
  std::int32_t sentence;   // of completed words
  std::uint64_t spelling;  // hash of the unfinished word
  std::int32_t length;     // of the unfinished word, in characters
  std::int32_t last;       // token of the last frame, or the blank
  double score;            // acoustic log-probability of all its alignments
  std::int32_t path;       // the best alignment, in `TokenPaths`
  std::int32_t end;        // frame after the last one with a token other than the blank
  float peak;              // the highest log-probability of that token while it was held
};

// A beam that gave way to another with the same history, and how far behind it was.
struct Dropped {
  std::int32_t kept;
  std::int32_t lost;
  double behind;
};

// What one or more beams are if the segment ends here.
struct End {
  std::int32_t sentence;
  double score;      // of all of them
  std::size_t beam;  // the last of them
};

class PrefixBeams {
 public:
  // Beams more than `-prune_log_prob` behind the best are dropped.
  PrefixBeams(std::vector<Token> tokens, std::int32_t blank, std::size_t beam_size,
              double prune_log_prob, std::optional<LanguageScores> language)
      : tokens_(std::move(tokens)),
        blank_(blank),
        beam_size_(beam_size),
        prune_log_prob_(prune_log_prob),
        language_(std::move(language)),
        sentences_(language_ ? &*language_ : nullptr),
        paths_(texts(tokens_)) {
    reset();
  }

  PrefixBeams(const PrefixBeams&) = delete;  // `sentences_` points into it
  PrefixBeams& operator=(const PrefixBeams&) = delete;

  // Forgets everything: the next frame is the first of a segment.
  void reset() {
    sentences_.clear();
    paths_.clear();
    dropped_.clear();
    dropped_numbers_.clear();
    beams_.assign(1, Beam{kEmptySentence, 0, 0, blank_, 0.0, kRoot, 0, 0.0F});
    all_end_in_blank_ = true;
    break_due_ = false;
    frame_ = 0;
  }

  // One frame: `row` holds each token's log-probability, `likely` those tokens that are tried, in
  // the order of trying.
  void step(const float* row, const std::int32_t* likely, std::size_t count) {
    const bool only_blank = count == 1 && likely[0] == blank_;
    if (only_blank && all_end_in_blank_) {
      for (Beam& beam : beams_) beam.score += row[blank_];
    } else {
      extend(row, likely, count);
      prune();
      follow(row);
      all_end_in_blank_ = only_blank;
    }
    ++frame_;
  }

  const std::vector<Beam>& beams() const { return beams_; }

  // In the order in which they were first dropped.
  const std::vector<Dropped>& dropped() const { return dropped_; }

  // A beam's sentence with the unfinished word, if any, added.
  std::int32_t completed(const Beam& beam) {
    if (beam.length == 0) return beam.sentence;
    return sentences_.extended(beam.sentence, beam.spelling,
                               [&] { return paths_.word(beam.path, 0, 0.0).text; });
  }

  // What the beams are if the segment ends here, in their order.
  std::vector<End> ends() {
    std::vector<End> ends;
    NumberMap numbers;
    for (std::size_t b = 0; b < beams_.size(); ++b) {
      const std::int32_t sentence = completed(beams_[b]);
      const auto next = static_cast<std::int32_t>(ends.size());
      const auto number = numbers.find_or_add(Key{0, sentence, 0}, next);
      if (number == next) {
        ends.push_back(End{sentence, beams_[b].score, b});
      } else {
        ends[number].score = log_add(ends[number].score, beams_[b].score);
        ends[number].beam = b;
      }
    }
    return ends;
  }

  // With how many words all beams begin alike.
  std::int32_t common_length() const {
    std::int32_t common = beams_.front().sentence;
    for (const Beam& beam : beams_) common = sentences_.common(common, beam.sentence);
    return sentences_.length(common);
  }

  // A beam's words, the unfinished one last.
  std::vector<TimedWord> words(const Beam& beam) const {
    std::vector<TimedWord> words;
    if (beam.length > 0) words.push_back(paths_.word(beam.path, beam.end, beam.peak));
    for (auto at = beam.sentence; at != kEmptySentence; at = sentences_.parent(at)) {
      words.push_back(paths_.word_before(sentences_.path(at)));
    }
    std::reverse(words.begin(), words.end());
    return words;
  }

  const Sentences& sentences() const { return sentences_; }

  std::size_t width() const { return tokens_.size(); }

 private:
  static std::vector<std::string> texts(const std::vector<Token>& tokens) {
    std::vector<std::string> texts;
    for (const Token& token : tokens) texts.push_back(token.text);
    return texts;
  }

  // A beam extended by a token.
  struct Candidate {
    std::int32_t beam;
    std::int32_t token;
    bool stays;   // the text is as it was: the blank, or the last frame's token again
    bool breaks;  // begins a new word
    double score;
  };

  // Candidates that make the same beam.
  struct Merged {
    std::int32_t sentence;
    std::uint64_t spelling;
    std::int32_t length;
    std::int32_t first;  // of the candidates, counted as they are visited
    Candidate best;      // of equals the last
    double score;        // of all
    double total;        // with the language model
  };

  // Every beam extended by every likely token, equal ones merged.
  void extend(const float* row, const std::int32_t* likely, std::size_t count) {
    merged_.clear();
    merged_numbers_.clear();
    completed_.assign(beams_.size(), kUnknown);
    std::int32_t visited = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t number = likely[i];
      const Token& token = tokens_[number];
      // After a piece that closes its word, pyctcdecode breaks before whatever comes next: not a
      // beam's next token, but the next candidate it visits, in this frame or a later one.
      bool any_moves = false;
      for (std::size_t b = 0; b < beams_.size(); ++b, ++visited) {
        const bool stays = number == blank_ || number == beams_[b].last;
        bool breaks = token.opens_word && !stays;
        if (!stays && !any_moves && !token.opens_word && break_due_) {
          breaks = true;
          break_due_ = false;
        }
        any_moves |= !stays;
        merge(Candidate{static_cast<std::int32_t>(b), number, stays, breaks,
                        beams_[b].score + row[number]},
              visited);
      }
      if (any_moves && token.opens_word) break_due_ = token.closes_word;
    }
  }

  void merge(const Candidate& candidate, std::int32_t visited) {
    const Beam& beam = beams_[candidate.beam];
    const Token& token = tokens_[candidate.token];
    std::int32_t sentence = beam.sentence;
    std::uint64_t spelling = beam.spelling;
    std::int32_t length = beam.length;
    if (candidate.breaks) {
      sentence = completed_once(candidate.beam);
      spelling = 0;
      length = 0;
    }
    if (!candidate.stays) {
      spelling = spelling * token.power + token.spelling;
      length += token.length;
    }
    const auto next = static_cast<std::int32_t>(merged_.size());
    const auto number = merged_numbers_.find_or_add(Key{spelling, sentence, candidate.token}, next);
    if (number == next) {
      merged_.push_back(
          Merged{sentence, spelling, length, visited, candidate, candidate.score, 0.0});
      return;
    }
    Merged& same = merged_[number];
    same.score = log_add(same.score, candidate.score);
    if (candidate.score >= same.best.score) same.best = candidate;
  }

  std::int32_t completed_once(std::int32_t beam) {
    std::int32_t& sentence = completed_[beam];
    if (sentence == kUnknown) sentence = completed(beams_[beam]);
    return sentence;
  }

  // Of what `extend` made, those near the best one; of these the beam_size best; of these the best
  // among any that the language model cannot tell apart from here on. They go into `kept_`, best
  // first; of equal ones the one visited first.
  void prune() {
    double best = -std::numeric_limits<double>::infinity();
    for (Merged& one : merged_) {
      one.total = one.score + language_score(one);
      best = std::max(best, one.total);
    }
    ranked_.clear();
    for (const Merged& one : merged_) {
      if (one.total >= best + prune_log_prob_) ranked_.push_back(&one);
    }
    const auto better = [](const Merged* one, const Merged* other) {
      return one->total > other->total || (one->total == other->total && one->first < other->first);
    };
    const std::size_t size = std::min(ranked_.size(), beam_size_);
    if (size < ranked_.size()) {
      std::nth_element(ranked_.begin(), ranked_.begin() + size, ranked_.end(), better);
      ranked_.resize(size);
    }
    std::sort(ranked_.begin(), ranked_.end(), better);
    kept_.clear();
    kept_numbers_.clear();
    for (const Merged* one : ranked_) {
      const Key future{one->spelling, sentences_.history(one->sentence), one->best.token};
      const auto next = static_cast<std::int32_t>(kept_.size());
      const auto leader = kept_numbers_.find_or_add(future, next);
      if (leader == next) {
        kept_.push_back(one);
      } else {
        drop(*kept_[leader], *one);
      }
    }
  }

  double language_score(const Merged& one) const {
    if (!language_) return 0.0;
    return sentences_.score(one.sentence) + language_->unfinished(one.spelling, one.length);
  }

  void drop(const Merged& kept, const Merged& lost) {
    const double behind = kept.total - lost.total;
    const auto next = static_cast<std::int32_t>(dropped_.size());
    const Key key{static_cast<std::uint64_t>(kept.sentence), lost.sentence, 0};
    const auto number = dropped_numbers_.find_or_add(key, next);
    if (number == next) {
      dropped_.push_back(Dropped{kept.sentence, lost.sentence, behind});
    } else {
      dropped_[number].behind = std::min(dropped_[number].behind, behind);
    }
  }

  // What `prune` kept becomes the beams; their paths follow their best alignments.
  void follow(const float* row) {
    next_.clear();
    for (const Merged* one : kept_) {
      const Candidate& best = one->best;
      const Beam& from = beams_[best.beam];
      const float log_prob = row[best.token];
      Beam beam{one->sentence, one->spelling, one->length, best.token,
                one->score,    from.path,     from.end,    from.peak};
      if (!best.stays) {
        beam.path = paths_.add(
            TokenPaths::Token{from.path, best.token, frame_, from.end, from.peak, best.breaks});
        beam.peak = log_prob;
      }
      if (best.breaks && from.length > 0) {
        sentences_.completed(one->sentence, one->total - kept_.front()->total, beam.path);
      }
      if (best.token != blank_) {
        beam.end = frame_ + 1;
        beam.peak = std::max(beam.peak, log_prob);
      }
      next_.push_back(beam);
    }
    beams_.swap(next_);
  }

  // log(exp(one) + exp(other))
  static double log_add(double one, double other) {
    const double difference = one - other;
    return difference > 0 ? one + std::log1p(std::exp(-difference))
                          : other + std::log1p(std::exp(difference));
  }

  static constexpr std::int32_t kUnknown = -1;

  std::vector<Token> tokens_;
  std::int32_t blank_;
  std::size_t beam_size_;
  double prune_log_prob_;
  std::optional<LanguageScores> language_;

  Sentences sentences_;
  TokenPaths paths_;
  std::vector<Beam> beams_;  // best first
  std::vector<Dropped> dropped_;
  NumberMap dropped_numbers_;
  bool all_end_in_blank_ = true;
  bool break_due_ = false;
  std::int32_t frame_ = 0;

  // A frame's own; kept for their memory.
  std::vector<Merged> merged_;
  NumberMap merged_numbers_;
  std::vector<std::int32_t> completed_;  // by beam
  std::vector<const Merged*> ranked_;
  std::vector<const Merged*> kept_;
  NumberMap kept_numbers_;
  std::vector<Beam> next_;
};

}  // namespace decoding
