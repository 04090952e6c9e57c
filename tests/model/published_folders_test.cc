// Folders of the published models' geometry (holes instead of weights) open under their official names with
// every tensor and byte of the published totals.
#include <doctest/doctest.h>

#include <fstream>
#include <map>

#include "checkpoint/checkpoint.h"
#include "model/config.h"
#include "model/inventory.h"
#include "tests/support/model_file_builder.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

using test::little_endian;
using test::TempFolder;

constexpr int64_t kShardBytes = 16'000'000'000;

/// A shard whose data is a hole.
void write_shard(const std::filesystem::path& path, const std::vector<StoredTensor>& tensors) {
  std::string header = "{";
  int64_t end = 0;
  for (const StoredTensor& t : tensors) {
    const std::string dtype(t.dtype == DType::F4_E2M1 ? "I8" : fathom::name(t.dtype));
    header += (end == 0 ? "\"" : ",\"") + t.name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[";
    for (size_t i = 0; i < t.shape.size(); ++i) header += (i == 0 ? "" : ",") + std::to_string(t.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(end) + "," + std::to_string(end + t.bytes) + "]}";
    end += t.bytes;
  }
  header += "}";
  std::ofstream(path, std::ios::binary) << little_endian<uint64_t>(header.size()) << header;
  std::filesystem::resize_file(path, 8 + header.size() + static_cast<uintmax_t>(end));
}

TEST_CASE("published inventories open from shards") {
  struct Case {
    const char* preset;
    bool copies;
    int64_t tensors, bytes, named;
    int64_t stages;
    int64_t main_bytes = 0;  ///< of the main model alone, where there is a drafter
  };
  // Tensors and bytes: the published index files. Named: without copies and drafter, as names() has them.
  for (const auto& [preset, copies, tensors, bytes, named, stages, main_bytes] :
       {Case{"v4-flash-base", true, 69'189, 0, 69'187, 0},
        Case{"v4-flash", false, 69'187, 159'609'485'896, 69'187, 0},
        Case{"v4-flash-0731", false, 72'317, 166'878'536'440, 67'612, 3, 156'015'698'140},
        Case{"v4-pro", false, 145'116, 864'704'792'696, 145'116, 0},
        Case{"v4-pro-0813", false, 149'782, 892'727'580'904, 142'773, 3, 850'748'205'004}}) {
    CAPTURE(preset);
    const ModelConfig config = ModelConfig::preset(preset);
    const TempFolder folder;
    std::vector<StoredTensor> shard;
    std::map<std::string, int64_t> size_of;
    int64_t total = 0, shard_bytes = 0, shards = 0;
    std::string map;
    const auto flush = [&] {
      const std::string name = "model-" + std::to_string(++shards) + ".safetensors";
      for (const StoredTensor& t : shard)
        map += (map.empty() ? "\"" : ",\"") + t.name + "\":\"" + name + "\"";
      write_shard(folder / name, shard);
      shard.clear();
      shard_bytes = 0;
    };
    for (const TensorInfo& info : inventory(config, {true, copies})) {
      for (StoredTensor& t : stored(info, usual_format(config))) {
        if (shard_bytes + t.bytes > kShardBytes) flush();
        shard_bytes += t.bytes;
        total += t.bytes;
        size_of[t.name] = t.bytes;
        shard.push_back(std::move(t));
      }
    }
    flush();
    folder.write("model.safetensors.index.json", "{\"metadata\":{\"total_size\":" + std::to_string(total) +
                                                     "},\"weight_map\":{" + map + "}}");
    folder.write("config.json", config.to_json());
    CHECK(static_cast<int64_t>(size_of.size()) == tensors);
    if (bytes != 0) CHECK(total == bytes);

    const auto open = Checkpoint::open(folder.path());
    CHECK(open->naming() == "official");
    CHECK(open->unknown_names().empty());
    CHECK(static_cast<int64_t>(open->names().size()) == named);
    CHECK(open->has("mtp.0.e_proj.weight") == (stages == 0));
    CHECK(open->dspark().has_value() == (stages != 0));
    CHECK(open->notes().size() == (stages == 0 ? 0 : 1));
    int64_t opened = 0;
    for (const auto* names : {&open->names(), &open->unused_names()}) {
      for (const std::string& name : *names) {
        const int64_t size = open->tensor(name).bytes;
        opened += size;
        if (size != size_of.at(name)) FAIL_CHECK(name);
      }
    }
    CHECK(opened + (copies ? 2 * size_of.at("embed.weight") : 0) == total);
    if (stages != 0) {
      CHECK(open->dspark()->stages == stages);
      CHECK(open->dspark()->tensors == tensors - named);
      CHECK(open->dspark()->bytes == bytes - main_bytes);
    }
    const int64_t d = config.hidden_size, i = config.moe_intermediate_size;
    const WeightView expert = open->matrix("layers.7.ffn.experts.200.w2.weight", d, i);
    CHECK(expert.scale_layout == (copies ? ScaleLayout::block_128 : ScaleLayout::row_32));
  }
}

}  // namespace
}  // namespace fathom
