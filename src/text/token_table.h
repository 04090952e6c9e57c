#pragma once
/// Token texts to ids while a tokenizer file is read: open addressing over views into the file's text.

#include <cstdint>
#include <string_view>
#include <vector>

namespace fathom {

class TokenTable {
 public:
  /// Room for `tokens` texts.
  explicit TokenTable(int64_t tokens);

  /// Adds a text; -1, or the id that it has already. Throws Error(bad_input) on texts made to collide.
  int32_t insert(std::string_view text, int32_t id);
  /// -1 if there is none.
  int32_t find(std::string_view text) const;

 private:
  struct Slot {
    const char* text = nullptr;
    uint32_t size = 0;
    int32_t id = -1;
  };
  // The slot that holds `text`, or the empty one where it belongs; null after too many probes.
  const Slot* locate(std::string_view text) const;

  std::vector<Slot> slots_;
};

}  // namespace fathom
