#pragma once
/// The state of the recovering parser (text/completion_parser.h): a machine over what has come and is not yet
/// decided. Every decision waits until it can no longer depend on what comes next, so the cut into pieces
/// never shows. Text and the choice of tags are in completion_parser.cc, the inside of blocks and calls in
/// completion_calls.cc.

#include <algorithm>
#include <string>
#include <string_view>

#include "text/completion_parser.h"
#include "text/completion_sink.h"
#include "text/dsml_scan.h"

namespace fathom {

class CompletionParser::State {
 public:
  explicit State(const CompletionOptions& options)
      : reads_calls_(options.parse_tool_calls), sink_(options.trim_newlines, options.continues) {
    if (options.start == CompletionOptions::Start::reasoning) sink_.begin_reasoning();
    if (options.start == CompletionOptions::Start::tool_calls && reads_calls_) step_ = &State::in_block_start;
  }

  void feed(std::string_view text, Piece piece);
  void finish(bool cut);
  CompletionSink& sink() { return sink_; }

 private:
  /// A step decides about the start of the undecided text; false: it needs more of it.
  using Step = bool (State::*)();

  void run();

  MarkedText rest() const {
    return {std::string_view(text_).substr(at_), std::string_view(marks_).substr(at_)};
  }

  // What stands at a "<" or before it.
  struct Found {
    Match match = Match::no;
    std::string_view token = {};  // an added token; else a tag
    TagMatch tag = {};
    size_t newlines = 0;  // before the tag, and part of it
  };

  /// Whether `tag` means something here.
  bool is_wanted(const TagMatch& tag) const;
  /// The token or tag at the start, as far as it means something here.
  Found find_at(MarkedText at) const;

  /// Gives everything before the next marker to take(text), and the marker to handle(found).
  template <class Take, class Handle>
  bool scan(std::string_view starts, Take take, Handle handle) {
    const MarkedText all = rest();
    for (size_t i = 0; i < all.text.size(); ++i) {
      i = std::min(all.text.find_first_of(starts, i), all.text.size());
      if (i == all.text.size()) break;
      const Found found = find_at(all.substr(i));
      if (found.match == Match::no) continue;
      take(all.text.substr(0, i));
      at_ += i;
      if (found.match == Match::yes) return handle(found);
      if (!at_end_) return false;
      sink_.repair(repair::kCutTag, all.text.substr(i));
      at_ = text_.size();
      return false;
    }
    take(all.text);
    at_ = text_.size();
    return false;
  }

  // Text: of the reasoning, of the answer, or between the tags of a block or call.
  bool in_text();
  bool on_token(std::string_view token);
  bool on_tag(const Found& found);
  void finish_at_end_token(std::string_view token);
  bool after_end();

  /// After the tag of a block: the first invocation decides whether this is one.
  bool in_block_start();

  /// The tag and what was read after it is no markup after all.
  void give_back(std::string_view kind);
  bool drop_cut_tag();
  bool in_invoke_tag();
  /// After the tag of an invocation: a brace may start a JSON object in place of parameters.
  bool in_call_start();
  bool in_json_body();
  void end_json_body(const Found& next);

  bool in_parameter_tag();
  bool in_value();
  /// Its own end tag, another end tag or an opening tag on a new line, or EOS.
  Found value_end_at(MarkedText at) const;

  void value_part(std::string_view text);
  /// `cut`: by a limit, to stay as it is. `closed`: by its own end tag.
  void end_value(bool cut, bool closed);
  void note_spelling(bool official);

  bool reads_calls_;
  CompletionSink sink_;
  Step step_ = &State::in_text;
  std::string text_;   // undecided from at_ on
  std::string marks_;  // Piece of each byte
  size_t at_ = 0;
  bool at_end_ = false;

  bool in_block_ = false;
  bool in_call_ = false;
  bool opens_block_ = false;  // the invocation being read is the first of a block
  bool misspelt_ = false;     // the tags before it
  std::string tag_;           // raw, to be given back if it turns out to be text

  enum class Value { string, json, unknown, repeated };
  Value kind_ = Value::string;
  std::string parameter_;
  std::string value_;
};

}  // namespace fathom
