// The prefixes of the known words: is "unh" the beginning of any word?
#pragma once

#include <cstdint>
#include <vector>

namespace decoding {

// An open-addressing set of spelling hashes, at most a quarter full: 8 MiB for 79,000 words. Never
// changes, so that all searches of a process share one.
class Lexicon {
 public:
  // `prefixes` are the hashes of all of them, without that of "".
  Lexicon(const std::uint64_t* prefixes, std::size_t count) {
    int bits = 4;
    while ((std::size_t{1} << bits) < 4 * count) ++bits;
    slots_.assign(std::size_t{1} << bits, kEmpty);
    shift_ = 64 - bits;
    for (std::size_t i = 0; i < count; ++i) slots_[place_of(prefixes[i])] = prefixes[i];
  }

  // Whether some word begins so; false for "".
  bool holds(std::uint64_t spelling) const {
    return spelling != kEmpty && slots_[place_of(spelling)] == spelling;
  }

 private:
  static constexpr std::uint64_t kEmpty = 0;  // the hash of ""

  // Where `spelling` stands, or the free slot where it would.
  std::size_t place_of(std::uint64_t spelling) const {
    std::size_t place = (spelling * 0xD6E8FEB86659FD93ULL) >> shift_;
    while (slots_[place] != kEmpty && slots_[place] != spelling) {
      place = (place + 1) & (slots_.size() - 1);
    }
    return place;
  }

  std::vector<std::uint64_t> slots_;
  int shift_;
};

}  // namespace decoding
