// Layout of golden/trained: greedy texts of expected.json with the logits that began and ended them; the rest
// in trained_heldout.cc and trained_problems.cc.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/trained.h"

namespace fathom::verify {
namespace {

// Both sides compute in fp32 and stay within 4e-5 of float64 (README).
constexpr double kLogits = 2e-4;
constexpr int64_t kMaxCases = 100'000;

void check_greedy(TrainedCase& c, const ExpectedFile& e) {
  std::vector<GreedyRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  const auto cases = c.expected.at("cases").elements(kMaxCases);
  for (const JsonField& item : cases) {
    GreedyRequest r;
    r.prompt = id_list(item.at("prompt_ids"));
    r.max_new = item.at("max_new_tokens").integer(1, 1 << 20);
    r.stop_at_eos = true;
    c.checks.differing("greedy: ids of the prompts",
                       r.prompt != c.tokenizer.encode(item.at("prompt").text(), true), 1);
    requests.push_back(std::move(r));
    expected.push_back(id_list(item.at("greedy_ids")));
  }
  const auto answers = c.runner.greedy(requests, 32, [&](int64_t done) {
    c.checks.progress("greedy texts", done, static_cast<int64_t>(requests.size()));
  });
  for (size_t i = 0; i < answers.size(); ++i) {
    const GreedyAnswer& a = answers[i];
    c.checks.differing("greedy: texts", a.ids != expected[i], 1);
    c.checks.differing("greedy: decoded texts",
                       c.tokenizer.decode(a.ids, false) != cases[i].at("greedy_text").text(), 1);
    if (a.ids != expected[i]) continue;
    const auto compare = [&](const std::string& name, std::span<const float> found, double bound) {
      const std::string full = fmt::format("case.{}.{}", i, name);
      if (e.has(full)) {
        c.checks.worst("greedy: " + name, max_abs_diff(e.floats(full), found, e.where(full)), bound);
      }
    };
    compare("prompt_last_logits", a.first_logits, kLogits);
    compare("last_logits", a.last_logits, kLogits);
    compare("top1_logit", a.top1, kLogits);
    compare("top1_margin", a.margin, 2 * kLogits);
  }
}

// The draft block's guess against the model's own next choice, on the model's own texts.
void check_own_acceptance(TrainedCase& c) {
  const auto heldout = c.expected.find("heldout");
  const auto mtp = heldout ? heldout->find("mtp") : std::nullopt;
  if (!mtp || !mtp->find("acceptance_on_own_generations") || c.runner.model().mtp_blocks() == 0) return;
  const auto vocab = static_cast<size_t>(c.runner.model().config().vocab_size);
  int64_t equal = 0, of = 0;
  for (const JsonField& item : c.expected.at("cases").elements(kMaxCases)) {
    std::vector<int32_t> ids = id_list(item.at("prompt_ids"));
    const size_t prompt = ids.size();
    for (const int32_t id : id_list(item.at("greedy_ids"))) ids.push_back(id);
    RecordOptions options;
    options.mtp = true;
    const SequenceRecord found = c.runner.record(ids, options);
    for (size_t t = prompt - 1; t + 2 < ids.size(); ++t) {
      equal += argmax(std::span(found.mtp_logits).subspan(t * vocab, vocab)) ==
               argmax(std::span(found.logits).subspan((t + 1) * vocab, vocab));
      ++of;
    }
  }
  c.checks.worst("MTP: acceptance on own texts",
                 std::abs(static_cast<double>(equal) / static_cast<double>(of) -
                          mtp->at("acceptance_on_own_generations").number(0, 1)),
                 1e-3);
}

}  // namespace

std::vector<int32_t> id_list(const JsonField& list) {
  std::vector<int32_t> out;
  for (const JsonField& id : list.elements(size_t{1} << 24)) {
    out.push_back(static_cast<int32_t>(id.integer(0, std::numeric_limits<int32_t>::max())));
  }
  if (out.empty()) list.refuse("at least one id");
  return out;
}

std::vector<std::string> json_lines(Checks& checks, const std::string& file, int64_t max_bytes) {
  const std::string text = read_text(checks.folder() / file, max_bytes);
  checks.used(file);
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_trained(const std::filesystem::path& folder) {
  return is_file(folder / "expected.json") && is_file(folder / "expected.safetensors");
}

void check_trained(Checks& checks) {
  const std::filesystem::path path = checks.folder() / "expected.json", model_path = checks.model_path();
  const std::string where = printable(path.string(), 400);
  const nlohmann::json json =
      in_context(where, [&] { return parse_json(read_text(path, int64_t{1} << 28), 64, size_t{1} << 28); });
  checks.used("expected.json");
  const ExpectedFile expected(checks.folder() / "expected.safetensors");
  checks.used("expected.safetensors");
  Runner runner(Model::open(model_path), Numerics::exact(), checks.options());
  const auto tokenizer = Tokenizer::open(model_path);
  for (const char* file : {"model.safetensors", "config.json", "tokenizer.json"}) {
    if (std::filesystem::equivalent(model_path, checks.folder())) checks.used(file);
  }

  TrainedCase c{checks, JsonField(json, where), runner, *tokenizer};
  check_greedy(c, expected);
  check_own_acceptance(c);
  check_heldout(c, expected);
  check_problems(c);
  checks.unread_tensors("expected.safetensors", expected.unread());
}

}  // namespace fathom::verify
