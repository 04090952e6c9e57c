#include "engine/serving/fair_queue.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace fathom {

template <class Map>
void FairShare::enter_map(Map& map, const std::string& name) {
  auto& own = map[name];
  if (own.present++ > 0) return;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const auto& [other, count] : map) {
    if (other != name && count.present > 0) least = std::min(least, count.served);
  }
  if (least != std::numeric_limits<int64_t>::max()) own.served = std::max(own.served, least);
}

void FairShare::enter(const std::string& key, const std::string& user) {
  enter_map(keys_, key);
  enter_map(keys_[key].users, user);
}

void FairShare::leave(const std::string& key, const std::string& user) {
  KeyCount& own = keys_.at(key);
  --own.present;
  if (--own.users.at(user).present == 0) own.users.erase(user);
  if (own.present == 0) keys_.erase(key);
}

void FairShare::charge(const std::string& key, const std::string& user, int64_t tokens) {
  KeyCount& own = keys_.at(key);
  own.served += tokens;
  own.users.at(user).served += tokens;
}

std::pair<int64_t, int64_t> FairShare::served(const std::string& key, const std::string& user) const {
  const KeyCount& own = keys_.at(key);
  return {own.served, own.users.at(user).served};
}

Priority ClassTurns::next(const std::array<bool, kPriorities>& present) {
  const auto low = static_cast<size_t>(Priority::low);
  size_t turn = 0;
  while (turn < low && !present[turn]) ++turn;
  FATHOM_CHECK(present[turn]);
  if (turn != low && present[low] && ++since_low_ >= kLowShare) turn = low;
  if (turn == low) since_low_ = 0;
  return static_cast<Priority>(turn);
}

}  // namespace fathom
