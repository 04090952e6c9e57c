#pragma once
/// A prompt as pieces of text and added tokens. What a user wrote is tokenised without the added vocabulary,
/// so that no spelling in it can become markup (architecture.md section 11, "Special tokens come from the
/// markup only").

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

/// One run of plain text (special false), or exactly one added token (special true).
struct Segment {
  std::string text;
  bool special = false;
  bool operator==(const Segment&) const = default;
};

/// Segments in order; neighbouring plain texts are one segment, so that they are tokenised as one text.
class Prompt {
 public:
  Prompt& text(std::string_view plain);
  Prompt& token(std::string_view added_token);
  Prompt& append(const Prompt& other);

  const std::vector<Segment>& segments() const { return segments_; }
  /// All segments joined.
  std::string joined() const;
  bool empty() const { return segments_.empty(); }

 private:
  std::vector<Segment> segments_;
};

/// What a {name} of a template stands for.
struct TemplateField {
  std::string_view name;
  const Prompt& value;
};
/// Appends a template of text/protocol_strings.h. {dsml_token}, {thinking_start_token} and
/// {thinking_end_token} are known; an unknown {name} stays as it is.
void append_template(std::string_view text, std::initializer_list<TemplateField> fields, Prompt& out);

}  // namespace fathom
