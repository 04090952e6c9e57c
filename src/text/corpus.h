#pragma once
/// Files of training text, read text by text: plain text, or JSON lines of documents and conversations.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/progress.h"

namespace fathom {

enum class CorpusFormat {
  automatic,  ///< by the name: .jsonl and .ndjson are JSON lines, all else is text
  text,       ///< the file is one text
  jsonl,      ///< a line is {"text": "..."}, or {"messages": [...]}: its contents and reasonings, each a text
};

/// Calls `text` for each text of the file ("-": standard input); the view holds during the call.
/// @param progress  bytes read
/// @return false if progress asked to stop
/// Throws Error naming the file, and the line of JSON lines: not_found, io; bad_input for bytes that are not
/// UTF-8, a line that is not of that form, or a file without text.
bool read_corpus(const std::filesystem::path& path, CorpusFormat format,
                 const std::function<void(std::string_view)>& text, const Progress& progress = {});

}  // namespace fathom
