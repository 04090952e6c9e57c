#include "text/prompt.h"

#include "text/protocol_strings.h"

namespace fathom {

Prompt& Prompt::text(std::string_view plain) {
  if (plain.empty()) return *this;
  if (segments_.empty() || segments_.back().special) segments_.push_back({"", false});
  segments_.back().text += plain;
  return *this;
}

Prompt& Prompt::token(std::string_view added_token) {
  segments_.push_back({std::string(added_token), true});
  return *this;
}

Prompt& Prompt::append(const Prompt& other) {
  for (const Segment& segment : other.segments_) {
    if (segment.special) {
      token(segment.text);
    } else {
      text(segment.text);
    }
  }
  return *this;
}

std::string Prompt::joined() const {
  std::string out;
  for (const Segment& segment : segments_) out += segment.text;
  return out;
}

void append_template(std::string_view text, std::initializer_list<TemplateField> fields, Prompt& out) {
  const auto field = [&](std::string_view name) {
    if (name == "dsml_token") return out.token(protocol::kDsml), true;
    if (name == "thinking_start_token") return out.token(protocol::kThinkStart), true;
    if (name == "thinking_end_token") return out.token(protocol::kThinkEnd), true;
    for (const TemplateField& known : fields) {
      if (known.name == name) return out.append(known.value), true;
    }
    return false;
  };
  while (!text.empty()) {
    const size_t open = text.find('{');
    const size_t close = open == std::string_view::npos ? open : text.find('}', open);
    if (close == std::string_view::npos) break;
    out.text(text.substr(0, open));
    if (!field(text.substr(open + 1, close - open - 1))) out.text(text.substr(open, close + 1 - open));
    text.remove_prefix(close + 1);
  }
  out.text(text);
}

}  // namespace fathom
