#include "train/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "model/synthetic.h"
#include "train/train_state.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxText = int64_t{1} << 30;

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    fail(ErrorCode::io, "{}: cannot make the folder: {}", printable(path.string(), 400), error.message());
}

void remove_folder(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
}

// Makes a rename inside the folder last over a power cut.
void sync_folder(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

void write_optimizer(const fs::path& folder, const ParamTable& table, const Optimizer& optimizer) {
  std::vector<TensorDeclaration> tensors;
  const auto size = static_cast<int64_t>(optimizer.first_moments().size());
  const auto count = static_cast<int64_t>(optimizer.step_counts().size());
  tensors.push_back({"first_moments", DType::F32, {size}});
  tensors.push_back({"second_moments", DType::F32, {size}});
  tensors.push_back({"step_counts", DType::I64, {count}});
  SafetensorsOptions options;
  options.max_shard_bytes = int64_t{1} << 60;
  options.metadata = {{"parameters", std::to_string(table.params().size())}};
  SafetensorsWriter writer(folder, tensors, options);
  writer.append("first_moments", optimizer.first_moments().data(), size * 4);
  writer.append("second_moments", optimizer.second_moments().data(), size * 4);
  writer.append("step_counts", optimizer.step_counts().data(), count * 8);
  writer.finish();
}

template <class T>
void read_tensor(const MappedFile& file, const std::vector<SafetensorsTensor>& tensors, const char* name,
                 DType dtype, std::vector<T>& out) {
  const std::string where = printable(file.path(), 400);
  for (const SafetensorsTensor& t : tensors) {
    if (t.name != name) continue;
    const auto bytes = static_cast<int64_t>(out.size() * sizeof(T));
    if (t.dtype != dtype || t.bytes != bytes) {
      bad_input("{}: {}: expected {} bytes, as the recipe's model has, found {}", where, name, bytes,
                t.bytes);
    }
    std::memcpy(out.data(), file.data() + t.offset, static_cast<size_t>(bytes));
    if constexpr (std::is_same_v<T, float>) {
      const bool finite = std::ranges::all_of(out, [](float x) { return std::isfinite(x); });
      if (!finite) bad_input("{}: {}: expected finite values, found another", where, name);
    }
    return;
  }
  bad_input("{}: expected the tensor {}, found none", where, name);
}

}  // namespace

void write_model(const fs::path& folder, const ParamTable& table, const MasterWeights& masters,
                 const std::string& tokenizer_json) {
  if (table.adapter().rank > 0) {
    write_adapter(folder, {table.adapter(), "", table.adapter_matrices(masters.values.data()), nullptr});
    return;
  }
  std::vector<TensorDeclaration> tensors;
  for (const TrainedParam& p : table.params()) {
    const bool flat = p.rows == 1 && p.kind == ParamClass::vector;
    const auto shape = flat ? std::vector<int64_t>{p.cols} : std::vector<int64_t>{p.rows, p.cols};
    tensors.push_back({p.name, p.kind == ParamClass::table ? DType::I64 : DType::F32, shape});
  }
  SafetensorsWriter writer(folder, tensors);
  for (const TrainedParam& p : table.params()) {
    if (p.kind == ParamClass::table) {
      const auto* ids = masters.tables.data() + p.offset;
      const std::vector<int64_t> wide(ids, ids + p.values());
      writer.append(p.name, wide.data(), p.values() * 8);
    } else {
      writer.append(p.name, masters.values.data() + p.offset, p.values() * 4);
    }
  }
  write_atomically(folder / "config.json", config_for(table.config(), WeightFormat::f32).to_json());
  if (!tokenizer_json.empty()) write_atomically(folder / "tokenizer.json", tokenizer_json);
  writer.finish();
}

RunFolder RunFolder::create(const fs::path& path, const std::string& recipe_json,
                            const std::string& tokenizer_json, const std::string& run_json) {
  std::error_code error;
  if (fs::exists(path / "recipe.json", error)) {
    bad_input("{}: expected a folder without a run, found recipe.json (--resume goes on with it)",
              printable(path.string(), 400));
  }
  make_folder(path / "checkpoints");
  write_atomically(path / "tokenizer.json", tokenizer_json);
  write_atomically(path / "run.json", run_json);
  write_atomically(path / "recipe.json", recipe_json);
  return RunFolder(path);
}

RunFolder RunFolder::open(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path / "recipe.json", error)) {
    fail(ErrorCode::not_found, "{}: expected the folder of a run, found no recipe.json in it",
         printable(path.string(), 400));
  }
  RunFolder run(path);
  // What a killed run was writing.
  for (const auto& entry : fs::directory_iterator(path / "checkpoints", error)) {
    if (entry.path().filename().string().starts_with(".")) remove_folder(entry.path());
  }
  return run;
}

std::string RunFolder::recipe_json() const { return read_text(path_ / "recipe.json", kMaxText); }
std::string RunFolder::tokenizer_json() const { return read_text(path_ / "tokenizer.json", kMaxText); }

void RunFolder::log(const std::string& line) {
  const fs::path file = path_ / "log.jsonl";
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  const std::string text = line + "\n";
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!written) {
    fail(ErrorCode::io, "{}: cannot write: {}", printable(file.string(), 400),
         std::generic_category().message(error));
  }
}

int64_t RunFolder::log_bytes() const {
  std::error_code error;
  const auto size = fs::file_size(path_ / "log.jsonl", error);
  return error ? 0 : static_cast<int64_t>(size);
}

void RunFolder::truncate_log(int64_t bytes) {
  if (log_bytes() <= bytes) return;
  std::error_code error;
  fs::resize_file(path_ / "log.jsonl", static_cast<uintmax_t>(bytes), error);
  if (error) fail(ErrorCode::io, "{}: {}", printable((path_ / "log.jsonl").string(), 400), error.message());
}

fs::path RunFolder::checkpoint(int64_t step) const {
  return path_ / "checkpoints" / fmt::format("step-{:08}", step);
}

std::vector<int64_t> RunFolder::checkpoints() const {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints", error)) {
    const std::string name = entry.path().filename().string();
    const bool whole = name.starts_with("step-") && name.size() > 5 && name.size() < 24 &&
                       name.find_first_not_of("0123456789", 5) == name.npos;
    if (whole) steps.push_back(std::stoll(name.substr(5)));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void RunFolder::save(const TrainState& state, const ParamTable& table, const MasterWeights& masters,
                     const Optimizer& optimizer, int64_t keep) {
  const fs::path folder = checkpoint(state.step), parent = path_ / "checkpoints";
  const fs::path making = parent / fmt::format(".making-{}", state.step);
  const fs::path old = parent / fmt::format(".old-{}", state.step);
  try {
    remove_folder(making);
    make_folder(making);
    write_model(making, table, masters, tokenizer_json());
    write_optimizer(making / "optimizer", table, optimizer);
    write_atomically(making / "state.json", to_json(state));
    sync_folder(making);
    std::error_code error;
    fs::rename(folder, old, error);  // a step that was reached before, on the way to a rollback
    fs::rename(making, folder, error);
    if (error) fail(ErrorCode::io, "{}: {}", printable(folder.string(), 400), error.message());
    sync_folder(parent);
    remove_folder(old);
  } catch (...) {
    remove_folder(making);
    throw;
  }
  const auto steps = checkpoints();
  for (size_t i = 0; i + static_cast<size_t>(keep) < steps.size(); ++i) {
    const fs::path gone = parent / fmt::format(".old-{}", steps[i]);
    std::error_code error;
    fs::rename(checkpoint(steps[i]), gone, error);
    remove_folder(gone);
  }
}

TrainState RunFolder::load(int64_t step, const ParamTable& table, MasterWeights& masters,
                           Optimizer& optimizer) const {
  const fs::path folder = checkpoint(step);
  return in_context(printable(folder.string(), 400), [&] {
    masters = table.adapter().rank > 0 ? load_adapter_masters(table, folder)
                                       : load_masters(table, *Checkpoint::open(folder));
    const MappedFile file(folder / "optimizer" / "model.safetensors");
    const auto tensors = read_safetensors(file);
    read_tensor(file, tensors, "first_moments", DType::F32, optimizer.first_moments());
    read_tensor(file, tensors, "second_moments", DType::F32, optimizer.second_moments());
    read_tensor(file, tensors, "step_counts", DType::I64, optimizer.step_counts());
    return train_state_from_json(read_text(folder / "state.json", kMaxText), "state.json");
  });
}

void RunFolder::replace_state(int64_t step, const TrainState& state) const {
  write_atomically(checkpoint(step) / "state.json", to_json(state));
}

}  // namespace fathom
