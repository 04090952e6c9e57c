#include "checkpoint/tensor_names.h"

#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <map>
#include <sstream>

namespace fathom {
namespace {

std::string replace(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

struct Names {
  std::string official, transformers, hybrid, gguf;
};

/// tensor_names.tsv is the table of the architecture's description, one tensor a line, taken from its text; L
/// is a layer, e an expert, N the block behind the last layer.
std::vector<Names> table(const std::string& layer, const std::string& expert) {
  std::ifstream in(FATHOM_SOURCE_DIR "/tests/checkpoint/tensor_names.tsv");
  std::vector<Names> out;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::array<std::string, 4> cells;
    std::istringstream cut(line);
    for (std::string& cell : cells) {
      std::getline(cut, cell, '\t');
      cell =
          replace(replace(replace(cell, ".L.", "." + layer + "."), "experts.e.", "experts." + expert + "."),
                  ".N.", ".43.");
    }
    out.push_back({cells[0], cells[1], cells[2], cells[3]});
  }
  return out;
}

TEST_CASE("the table both ways") {
  for (const auto& [layer, expert] : {std::pair("0", "0"), std::pair("42", "255")}) {
    const auto rows = table(layer, expert);
    REQUIRE(rows.size() == 49);
    for (const Names& row : rows) {
      CAPTURE(row.official);
      const auto check = [&](const std::string& stored, Naming naming) {
        CAPTURE(stored);
        CHECK(stored_name(row.official, naming, 43) ==
              (stored.empty() ? std::nullopt : std::optional<std::string>(stored)));
        if (stored.empty()) return;
        const StoredName parsed =
            naming == Naming::gguf ? parse_gguf_name(stored, 43) : parse_stored_name(stored);
        switch (parsed.form) {
          case NameForm::whole:
            CHECK(parsed.official == row.official);
            break;
          case NameForm::experts_stack:
            CHECK(expert_name(parsed.official, std::stoi(expert)) == row.official);
            break;
          case NameForm::experts_gate_up:
            CHECK(replace(expert_name(parsed.official, std::stoi(expert)), ".w1.", ".w?.") ==
                  replace(replace(row.official, ".w1.", ".w?."), ".w3.", ".w?."));
            break;
          case NameForm::columns_e_h:
            CHECK(parsed.official == "mtp.0.e_proj.weight");
            break;
          default:
            FAIL("not recognised");
            break;
        }
        CHECK(parsed.naming <= naming);
      };
      check(row.official, Naming::official);
      check(row.transformers, Naming::transformers);
      check(row.hybrid, Naming::hybrid);
      check(row.gguf, Naming::gguf);
    }
  }
}

TEST_CASE("scales, aliases of the official converter, copies") {
  const std::map<std::string, std::string> same{
      {"layers.3.attn.wq_a.scale", "layers.3.attn.wq_a.scale"},
      {"layers.3.attn.wq_a.weight_scale_inv", "layers.3.attn.wq_a.scale"},
      {"model.layers.3.self_attn.wq_a.weight_scale_inv", "layers.3.attn.wq_a.scale"},
      {"model.layers.3.self_attn.q_a_proj.weight_scale_inv", "layers.3.attn.wq_a.scale"},
      {"layers.3.ffn.experts.7.w2.scale", "layers.3.ffn.experts.7.w2.scale"},
      {"model.layers.3.mlp.experts.7.w2.weight", "layers.3.ffn.experts.7.w2.weight"},
      {"model.layers.3.mlp.gate.e_score_correction_bias", "layers.3.ffn.gate.bias"},
      {"layers.3.ffn.gate.e_score_correction_bias", "layers.3.ffn.gate.bias"},
      {"model.layers.3.attn_hc.scale", "layers.3.hc_attn_scale"},
      {"model.layers.3.ffn_hc.scale", "layers.3.hc_ffn_scale"},
      {"model.embed.weight", "embed.weight"},
      {"model.mtp.0.e_proj.scale", "mtp.0.e_proj.scale"},
      {"mtp.0.main_proj.scale", "mtp.0.main_proj.scale"},
      {"mtp.2.markov_head.markov_w1.weight", "mtp.2.markov_head.markov_w1.weight"},
      {"mtp.2.confidence_head.proj.weight", "mtp.2.confidence_head.proj.weight"},
  };
  for (const auto& [stored, official] : same) {
    CAPTURE(stored);
    CHECK(parse_stored_name(stored).form == NameForm::whole);
    CHECK(parse_stored_name(stored).official == official);
  }
  for (const char* copy :
       {"mtp.0.emb.tok_emb.weight", "mtp.0.head.weight", "model.mtp.0.embed_tokens.weight"}) {
    CHECK(parse_stored_name(copy).form == NameForm::copy);
  }
  CHECK(parse_gguf_name("blk.43.nextn.hc_head_fn", 43).official == "mtp.0.hc_head_fn");
  CHECK(stored_name("layers.1.attn.wq_a.scale", Naming::gguf, 43) == std::nullopt);
  CHECK(stored_name("layers.1.attn.wq_a.scale", Naming::transformers, 43) ==
        "model.layers.1.self_attn.q_a_proj.weight_scale_inv");
}

TEST_CASE("whose naming a name shows") {
  CHECK(parse_stored_name("norm.weight").naming == Naming::official);
  CHECK(parse_stored_name("model.norm.weight").naming == Naming::hybrid);
  CHECK(parse_stored_name("model.embed_tokens.weight").naming == Naming::hybrid);
  CHECK(parse_stored_name("model.layers.0.attn.wq_a.weight").naming == Naming::hybrid);
  CHECK(parse_stored_name("model.layers.0.self_attn.q_a_proj.weight").naming == Naming::transformers);
  CHECK(parse_stored_name("lm_head.weight").naming == Naming::transformers);
}

TEST_CASE("anything else is unknown") {
  for (const char* name : {"",
                           "model.",
                           "layers.",
                           "layers.0",
                           "layers.0.",
                           "layers.00.attn_norm.weight",
                           "layers.-1.attn_norm.weight",
                           "layers.1000000.attn_norm.weight",
                           "layers.0x.attn_norm.weight",
                           "layers.0.attn_norm.weight.more",
                           "layers.0.attn_norm.scale",
                           "layers.0.ffn.experts.#.w1.weight",
                           "layers.0.ffn.experts.w1.weight",
                           "layers.0.ffn.experts.01.w1.weight",
                           "layers.0.e_proj.weight",
                           "layers.0.main_proj.weight",
                           "model.model.norm.weight",
                           "blk.0.attn_norm.weight",
                           "model.layers.0.mlp.experts.0.gate_up_proj",
                           "rotary.inv_freq",
                           "mtp.enorm.weight"}) {
    CAPTURE(name);
    CHECK(parse_stored_name(name).form == NameForm::unknown);
  }
  for (const char* name :
       {"blk.0.nextn.enorm.weight", "blk.x.attn_norm.weight", "rope_freqs.weight", "norm.weight"}) {
    CAPTURE(name);
    CHECK(parse_gguf_name(name, 43).form == NameForm::unknown);
  }
}

}  // namespace
}  // namespace fathom
