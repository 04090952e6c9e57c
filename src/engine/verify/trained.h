#pragma once
/// What the parts of the trained layout share.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/runner.h"
#include "text/tokenizer.h"

namespace fathom::verify {

/// A trained model beside its expectations: expected.json, expected.safetensors, a text, problems.
struct TrainedCase {
  Checks& checks;
  JsonField expected;  ///< expected.json
  Runner& runner;      ///< exact numerics
  const Tokenizer& tokenizer;
};

std::vector<int32_t> id_list(const JsonField& list);
/// The lines of a .jsonl file of the folder, split at "\n" only.
std::vector<std::string> json_lines(Checks& checks, const std::string& file, int64_t max_bytes);

/// heldout.txt: logits of its first tokens, bits per byte, MTP acceptance.
void check_heldout(TrainedCase& c, const ExpectedFile& e);
/// problems.jsonl: greedy answers and accuracy per task and mode; a sample of them unless options().full.
void check_problems(TrainedCase& c);

}  // namespace fathom::verify
