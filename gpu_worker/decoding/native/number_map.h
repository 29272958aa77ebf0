// Numbers by key: a hash table for what a beam search looks up a million times a second.
#pragma once

#include <cstdint>
#include <vector>

namespace decoding {

// What makes two things alike: a word sequence (or a history), a spelling's hash, a token.
struct Key {
  std::uint64_t spelling;
  std::int32_t owner;
  std::int32_t token;

  bool operator==(const Key& other) const {
    return spelling == other.spelling && owner == other.owner && token == other.token;
  }

  // Fibonacci hashing of the three; the upper bits are the well mixed ones.
  std::uint64_t hash() const {
    std::uint64_t mixed = spelling + static_cast<std::uint32_t>(owner) * 0xC2B2AE3D27D4EB4FULL +
                          static_cast<std::uint32_t>(token) * 0x165667B19E3779F9ULL;
    mixed = (mixed ^ (mixed >> 32)) * 0x9E3779B97F4A7C15ULL;
    return mixed;
  }
};

// From keys to numbers, by open addressing with linear probing, at most half full. Emptying it
// costs nothing: slots of an earlier generation count as free.
class NumberMap {
 public:
  NumberMap() : slots_(std::size_t{1} << kFirstBits), shift_(64 - kFirstBits) {}

  void clear() {
    size_ = 0;
    if (++generation_ == 0) {  // after 2^32 frames
      slots_.assign(slots_.size(), Slot{});
      generation_ = 1;
    }
  }

  // The number of `key`, or nullptr. Valid until the next `add`.
  const std::int32_t* find(const Key& key) const {
    const Slot& slot = slots_[place_of(key)];
    return slot.generation == generation_ ? &slot.number : nullptr;
  }

  // The number of `key`, which is `number` from now on if it had none.
  std::int32_t find_or_add(const Key& key, std::int32_t number) {
    std::size_t place = place_of(key);
    if (slots_[place].generation == generation_) return slots_[place].number;
    if (2 * (size_ + 1) > slots_.size()) {
      grow();
      place = place_of(key);
    }
    slots_[place] = Slot{key, number, generation_};
    ++size_;
    return number;
  }

 private:
  static constexpr int kFirstBits = 10;

  struct Slot {
    Key key{};
    std::int32_t number = 0;
    std::uint32_t generation = 0;  // free unless it is the map's
  };

  // Where `key` stands, or the free slot where it would.
  std::size_t place_of(const Key& key) const {
    std::size_t place = key.hash() >> shift_;
    while (slots_[place].generation == generation_ && !(slots_[place].key == key)) {
      place = (place + 1) & (slots_.size() - 1);
    }
    return place;
  }

  void grow() {
    std::vector<Slot> before(2 * slots_.size());
    before.swap(slots_);
    --shift_;
    for (const Slot& slot : before) {
      if (slot.generation == generation_) slots_[place_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  int shift_;
  std::uint32_t generation_ = 1;
  std::size_t size_ = 0;
};

}  // namespace decoding
