// The inside view: what the model did with one token. Written from the result of a request that reads the
// text up to it and writes nothing.
#include <algorithm>
#include <cmath>

#include "engine/inside.h"
#include "server/api/json_text.h"
#include "server/api/reply.h"
#include "text/utf8_stream.h"

namespace fathom::server {
namespace {

using Array = JsonValue::Array;
using Object = JsonValue::Object;

// Six digits after the point: weights are shown, not computed with.
JsonValue rounded(float value) { return std::round(static_cast<double>(value) * 1e6) / 1e6; }

JsonValue weights_of(const std::vector<float>& values) {
  Array list;
  list.reserve(values.size());
  for (const float value : values) list.push_back(rounded(value));
  return list;
}

JsonValue experts_of(const InsideLayer& layer) {
  Array list;
  for (size_t i = 0; i < layer.experts.size(); ++i) {
    list.emplace_back(
        Object{{"id", json_integer(layer.experts[i])}, {"weight", rounded(layer.expert_weights[i])}});
  }
  return list;
}

// Entry i was made of `overlap` windows of `ratio` tokens, the last of which is its own.
JsonValue entries_of(const AttentionRow& row, const LayerConfig& config) {
  Array list;
  for (size_t i = 0; i < row.entries.size(); ++i) {
    const int64_t entry = row.entries[i], end = (entry + 1) * config.ratio;
    Object one{{"id", json_integer(entry)},
               {"from", json_integer(std::max<int64_t>(0, end - config.overlap() * config.ratio))},
               {"to", json_integer(end - 1)},
               {"weight", rounded(row.entry_weights[i])}};
    if (!row.scores.empty()) one.push_back({"score", rounded(row.scores[i])});
    list.emplace_back(std::move(one));
  }
  return list;
}

class InsideWriter final : public ReplyWriter {
 public:
  InsideWriter(const ApiCall& call, ReplyIdentity identity, const ModelConfig& config)
      : ReplyWriter(call, std::move(identity)), config_(config) {}

  void start(const ReplyUsage&, Events&) override {}
  void event(const AnswerEvent&, Events&) override {}
  void finish(const AnswerResult& result, const ReplyUsage& usage, Events&) override {
    view_ = result.inside;
    usage_ = usage;
  }

  JsonValue final() override {
    Array layers;
    for (size_t i = 0; view_ && i < view_->layers.size(); ++i) {
      const InsideLayer& layer = view_->layers[i];
      const LayerConfig config = config_.layer(static_cast<int64_t>(i));
      const AttentionRow& row = layer.attention;
      layers.emplace_back(Object{
          {"layer", json_integer(static_cast<int64_t>(i))},
          {"kind", std::string(name(config.kind))},
          {"ratio", json_integer(config.ratio)},
          {"hash_routing", config.hash},
          {"experts", experts_of(layer)},
          {"sink", rounded(row.sink)},
          {"window", Object{{"from", json_integer(row.first_position)}, {"weights", weights_of(row.window)}}},
          {"entries_visible", json_integer(row.visible)},
          {"entries", entries_of(row, config)}});
    }
    const int32_t id = identity_.prompt_ids.back();
    Object out{{"object", "inside"},
               {"model", identity_.model},
               {"position", json_integer(std::ssize(identity_.prompt_ids) - 1)},
               {"token", inside_token(id, identity_.token_bytes(id))},
               {"experts_total", json_integer(config_.n_routed_experts)},
               {"layers", std::move(layers)},
               {"usage", openai_usage(usage_, false)}};
    if (!usage_.cost.is_null()) out.push_back({"cost", usage_.cost});
    if (!usage_.fathom.is_null()) out.push_back({"fathom", usage_.fathom});
    return out;
  }

 private:
  const ModelConfig& config_;
  std::shared_ptr<const InsideView> view_;
  ReplyUsage usage_;
};

}  // namespace

JsonValue inside_token(int32_t id, std::string_view bytes) {
  std::string text;
  append_valid_utf8(bytes, text);
  return Object{{"id", json_integer(id)}, {"text", std::move(text)}};
}

std::unique_ptr<ReplyWriter> make_inside_writer(const ApiCall& call, ReplyIdentity identity,
                                                const ModelConfig& config) {
  return std::make_unique<InsideWriter>(call, std::move(identity), config);
}

}  // namespace fathom::server
