// Layout of golden/fp32: sequences s0., s1., ... with logits, streams, router, indexer, MTP, and a greedy
// continuation. Bounds: its README, "Tolerances". Other checkpoints of the same model in the folder
// (model.bf16.safetensors, hf/) are held to the same values.
#include <algorithm>

#include "base/error.h"
#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/runner.h"

namespace fathom::verify {
namespace {

constexpr double kLogits = 1e-4, kStreams = 2e-4, kRouterWeights = 1e-5;
// inv_freq is normative to the bit; torch's pow and ours may round it differently by one ulp.
constexpr double kInvFreq = 0;

// Rows `positions` of values [T, width].
std::vector<float> rows_at(const std::vector<float>& values, const std::vector<int32_t>& positions,
                           int64_t width, const std::string& what) {
  std::vector<float> out;
  for (const int32_t p : positions) {
    const int64_t first = p * width;
    if (p < 0 || first + width > static_cast<int64_t>(values.size())) {
      bad_input("{}: expected a position of the sequence, found {}", what, p);
    }
    out.insert(out.end(), values.begin() + first, values.begin() + first + width);
  }
  return out;
}

class Fp32Case {
 public:
  Fp32Case(Checks& checks, const ExpectedFile& expected, std::shared_ptr<const Model> model,
           const std::string& label)
      : checks_(checks),
        e_(expected),
        runner_(std::move(model), Numerics::exact(), checks.options()),
        label_(label) {}

  void run() {
    const RopeTables& rope = runner_.model().rope();
    if (e_.has("inv_freq.main")) {
      checks_.worst(label_ + "inv_freq",
                    max_abs_diff(e_.floats("inv_freq.main"), rope.main.inv_freq(), e_.where("inv_freq.main")),
                    kInvFreq);
    }
    if (e_.has("inv_freq.compress")) {
      checks_.worst(label_ + "inv_freq",
                    max_abs_diff(e_.floats("inv_freq.compress"), rope.compress.inv_freq(),
                                 e_.where("inv_freq.compress")),
                    kInvFreq);
    }
    for (int64_t k = 0; e_.has(fmt::format("s{}.input_ids", k)); ++k) sequence(fmt::format("s{}.", k));
    if (e_.has("greedy")) greedy();
  }

 private:
  const ModelConfig& config() const { return runner_.model().config(); }

  void sequence(const std::string& s) {
    const std::vector<int32_t> ids = e_.ints(s + "input_ids");
    RecordOptions options;
    options.trace = true;
    options.mtp = e_.has(s + "mtp_logits") && runner_.model().mtp_blocks() > 0;
    SequenceRecord record = runner_.record(ids, options);
    checks_.worst(label_ + "logits",
                  max_abs_diff(e_.floats(s + "logits"), record.logits, e_.where(s + "logits")), kLogits);
    for (int64_t i = 0; i < config().num_hidden_layers; ++i) {
      const std::string n = std::to_string(i);
      layer(record.layers[i], s + "streams." + n, s + "streams.pos", s + "router." + n, s + "indexer." + n,
            "");
    }
    if (!options.mtp) return;
    checks_.worst(label_ + "mtp logits",
                  max_abs_diff(e_.floats(s + "mtp_logits"), record.mtp_logits, e_.where(s + "mtp_logits")),
                  kLogits);
    layer(record.layers[config().num_hidden_layers], s + "mtp_streams", s + "mtp_streams.pos",
          s + "mtp_router", "", "mtp ");
  }

  void layer(const LayerRecord& found, const std::string& streams, const std::string& positions,
             const std::string& router, const std::string& indexer, const std::string& kind) {
    if (e_.has(streams)) {
      const auto at = rows_at(found.streams, e_.ints(positions), config().hc_mult * config().hidden_size,
                              e_.where(positions));
      checks_.worst(label_ + kind + "streams", max_abs_diff(e_.floats(streams), at, e_.where(streams)),
                    kStreams);
    }
    if (e_.has(router + ".ids")) {
      const std::vector<int32_t> ids = e_.ints(router + ".ids");
      const int64_t k = config().num_experts_per_tok;
      checks_.differing(label_ + kind + "router ids",
                        rows_differing(ids, found.router_ids, k, e_.where(router + ".ids")),
                        static_cast<int64_t>(ids.size()) / k);
      checks_.worst(
          label_ + kind + "router weights",
          max_abs_diff(e_.floats(router + ".weights"), found.router_weights, e_.where(router + ".weights")),
          kRouterWeights);
    }
    if (!indexer.empty() && e_.has(indexer)) {
      const std::vector<int32_t> ids = e_.ints(indexer);
      const int64_t width = e_.shape(indexer).size() == 2 ? e_.shape(indexer)[1] : 0;
      if (width > 0) {
        checks_.differing(label_ + "indexer ids",
                          rows_differing(ids, found.indexer, width, e_.where(indexer)), e_.shape(indexer)[0]);
      } else {  // no window is complete: nothing may be chosen
        checks_.differing(label_ + "indexer ids", static_cast<int64_t>(found.indexer.size()), 0);
      }
    }
  }

  void greedy() {
    const std::vector<int32_t> all = e_.ints("greedy");
    const int64_t prompt = e_.scalar("greedy.prompt_len"), size = static_cast<int64_t>(all.size());
    if (e_.has("greedy.prompt_index")) {
      const std::string source = fmt::format("s{}.input_ids", e_.scalar("greedy.prompt_index"));
      const std::vector<int32_t> ids = e_.ints(source);
      if (static_cast<int64_t>(ids.size()) < prompt ||
          !std::equal(ids.begin(), ids.begin() + prompt, all.begin())) {
        bad_input("{}: expected the prompt {}", e_.where("greedy"), source);
      }
    }
    if (prompt < 1 || prompt > size) {
      bad_input("{}: expected 1 to {}, found {}", e_.where("greedy.prompt_len"), size, prompt);
    }
    const std::vector<GreedyRequest> request{{{all.begin(), all.begin() + prompt}, size - prompt, false}};
    const auto found = runner_.greedy(request).front().ids;
    checks_.differing(
        label_ + "greedy ids",
        rows_differing(std::span(all).subspan(static_cast<size_t>(prompt)), found, 1, e_.where("greedy")),
        size - prompt);
  }

  Checks& checks_;
  const ExpectedFile& e_;
  Runner runner_;
  std::string label_;
};

// Other checkpoints beside model.safetensors: single files, and folders with a config of their own.
std::vector<std::string> other_checkpoints(const std::filesystem::path& folder) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool file = is_file(entry.path()) && name.starts_with("model.") && name.ends_with(".safetensors") &&
                      name != "model.safetensors";
    if (file || (entry.is_directory(none) && is_model(entry.path()))) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

bool is_fp32(const std::filesystem::path& folder) {
  const auto file = folder / "expected.safetensors";
  return is_file(file) && ExpectedFile(file).has("s0.input_ids");
}

void check_fp32(Checks& checks) {
  const std::filesystem::path folder = checks.folder();
  const ExpectedFile expected(folder / "expected.safetensors");
  checks.used("expected.safetensors");
  const auto model = Model::open(checks.model_path());
  Fp32Case(checks, expected, model, "").run();
  if (std::filesystem::is_regular_file(folder / "gradients.safetensors")) check_gradients(checks, *model);
  if (std::filesystem::is_regular_file(folder / "indexer_kl.safetensors")) check_indexer_kl(checks, *model);
  checks.used_model(folder);
  for (const std::string& name : other_checkpoints(folder)) {
    Fp32Case(checks, expected, Model::open(folder / name), name + ": ").run();
    checks.used_model(folder / name);
  }
  checks.unread_tensors("expected.safetensors", expected.unread());
}

}  // namespace fathom::verify
