#pragma once
/// Who is next: classes of priority, keys within a class, users within a key. Source: api.md section 10.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "engine/serving/request.h"

namespace fathom {

/// Engine tokens that keys and users have had, so that those who had least come first. A newcomer starts
/// where the least served of the waiting stands: idle time gives no credit.
class FairShare {
 public:
  /// Marks somebody as present; they may be present several times.
  void enter(const std::string& key, const std::string& user);
  void leave(const std::string& key, const std::string& user);
  /// `tokens` were spent on them.
  void charge(const std::string& key, const std::string& user, int64_t tokens);
  /// Less is more urgent: compare the keys' counts, then the users'.
  std::pair<int64_t, int64_t> served(const std::string& key, const std::string& user) const;

 private:
  struct Count {
    int64_t served = 0, present = 0;
  };
  struct KeyCount : Count {
    std::map<std::string, Count> users;
  };
  template <class Map>
  static void enter_map(Map& map, const std::string& name);
  std::map<std::string, KeyCount> keys_;
};

/// The class that has its turn: the highest that is there, but the lowest at least once in kLowShare turns.
class ClassTurns {
 public:
  static constexpr int kLowShare = 20;
  /// `present`: which classes wait. At least one does.
  Priority next(const std::array<bool, kPriorities>& present);

 private:
  int since_low_ = 0;
};

}  // namespace fathom
