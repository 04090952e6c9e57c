#include "checkpoint/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "checkpoint/tensor_output.h"

namespace fathom {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian");

constexpr int64_t kAlignment = 32;  // the format's default, so general.alignment need not be written

// Value types of metadata as numbered in the file.
constexpr uint32_t kString = 8, kArray = 9;
template <class T>
constexpr uint32_t value_type() {
  if constexpr (std::same_as<T, uint8_t>) return 0;
  if constexpr (std::same_as<T, int8_t>) return 1;
  if constexpr (std::same_as<T, uint16_t>) return 2;
  if constexpr (std::same_as<T, int16_t>) return 3;
  if constexpr (std::same_as<T, uint32_t>) return 4;
  if constexpr (std::same_as<T, int32_t>) return 5;
  if constexpr (std::same_as<T, float>) return 6;
  if constexpr (std::same_as<T, bool>) return 7;
  if constexpr (std::same_as<T, uint64_t>) return 10;
  if constexpr (std::same_as<T, int64_t>) return 11;
  if constexpr (std::same_as<T, double>) return 12;
}

// Types of tensors as numbered in the file.
std::optional<uint32_t> tensor_type(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return 0;
    case DType::F16:
      return 1;
    case DType::Q8_0:
      return 8;
    case DType::Q2_K:
      return 10;
    case DType::Q4_K:
      return 12;
    case DType::IQ2_XXS:
      return 16;
    case DType::I8:
      return 24;
    case DType::I16:
      return 25;
    case DType::I32:
      return 26;
    case DType::I64:
      return 27;
    case DType::F64:
      return 28;
    case DType::BF16:
      return 30;
    case DType::MXFP4:
      return 39;
    default:
      return std::nullopt;
  }
}

template <class T>
void put(std::string& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

int64_t aligned(int64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

// What the file says of a tensor whose data begin at `offset`.
void put_tensor(std::string& out, const TensorDeclaration& tensor, int64_t offset) {
  constexpr size_t kMostName = 63, kMostDimensions = 4;  // ggml's limits
  const std::string shown = printable(tensor.name);
  if (tensor.name.empty() || tensor.name.size() > kMostName) {
    bad_input("tensor {}: expected a name of 1 to {} bytes, found {}", shown, kMostName, tensor.name.size());
  }
  if (tensor.shape.size() > kMostDimensions) {
    bad_input("tensor {}: expected at most {} dimensions, found {}", shown, kMostDimensions,
              tensor.shape.size());
  }
  const auto type = tensor_type(tensor.dtype);
  if (!type) {
    fail(ErrorCode::unsupported, "tensor {}: expected a dtype of GGUF, found {}", shown, name(tensor.dtype));
  }
  std::vector<int64_t> shape = tensor.shape;
  if (shape.empty()) shape = {1};
  put_text(out, tensor.name);
  put(out, static_cast<uint32_t>(shape.size()));
  for (auto dimension = shape.rbegin(); dimension != shape.rend(); ++dimension) put(out, *dimension);
  put(out, *type);
  put(out, offset);
}

}  // namespace

void GgufKeyValues::begin(std::string_view key, uint32_t type) {
  if (key.empty() || key.size() > 65535) {
    bad_input("GGUF metadata: expected a key of 1 to 65535 bytes, found {}", key.size());
  }
  if (std::find(keys_.begin(), keys_.end(), key) != keys_.end()) {
    bad_input("GGUF metadata: expected {} once, found it twice", printable(key));
  }
  keys_.emplace_back(key);
  put_text(bytes_, key);
  put(bytes_, type);
}

template <GgufScalar T>
void GgufKeyValues::add(std::string_view key, T value) {
  begin(key, value_type<T>());
  put(bytes_, value);
}

void GgufKeyValues::add(std::string_view key, std::string_view text) {
  begin(key, kString);
  put_text(bytes_, text);
}

template <GgufScalar T>
void GgufKeyValues::add(std::string_view key, const std::vector<T>& values) {
  begin(key, kArray);
  put(bytes_, value_type<T>());
  put(bytes_, static_cast<uint64_t>(values.size()));
  for (const T value : values) put(bytes_, value);
}

void GgufKeyValues::add(std::string_view key, const std::vector<std::string>& texts) {
  begin(key, kArray);
  put(bytes_, kString);
  put(bytes_, static_cast<uint64_t>(texts.size()));
  for (const std::string& text : texts) put_text(bytes_, text);
}

#define FATHOM_GGUF_SCALAR(T)                               \
  template void GgufKeyValues::add<T>(std::string_view, T); \
  template void GgufKeyValues::add<T>(std::string_view, const std::vector<T>&);
FATHOM_GGUF_SCALAR(bool)
FATHOM_GGUF_SCALAR(uint8_t)
FATHOM_GGUF_SCALAR(int8_t)
FATHOM_GGUF_SCALAR(uint16_t)
FATHOM_GGUF_SCALAR(int16_t)
FATHOM_GGUF_SCALAR(uint32_t)
FATHOM_GGUF_SCALAR(int32_t)
FATHOM_GGUF_SCALAR(uint64_t)
FATHOM_GGUF_SCALAR(int64_t)
FATHOM_GGUF_SCALAR(float)
FATHOM_GGUF_SCALAR(double)
#undef FATHOM_GGUF_SCALAR

struct GgufWriter::State {
  TensorOutput output;
};

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufKeyValues& metadata,
                       const std::vector<TensorDeclaration>& tensors, bool sparse)
    : state_(new State{TensorOutput(sparse)}) {
  constexpr uint32_t kVersion = 3;
  std::string header = "GGUF";
  put(header, kVersion);
  put(header, static_cast<uint64_t>(tensors.size()));
  put(header, static_cast<uint64_t>(metadata.count()));
  header += metadata.bytes();
  std::vector<int64_t> offsets, sizes;
  int64_t end = 0;  // of the data so far
  for (const TensorDeclaration& tensor : tensors) {
    sizes.push_back(tensor_bytes(tensor));
    offsets.push_back(end);
    put_tensor(header, tensor, end);
    if (sizes.back() > (int64_t{1} << 62) - end - kAlignment) {
      bad_input("tensor {}: expected less than 2^62 bytes up to here", printable(tensor.name));
    }
    end = aligned(end + sizes.back());
  }
  const int64_t data = aligned(static_cast<int64_t>(header.size()));
  header.resize(static_cast<size_t>(data), '\0');
  const size_t file = state_->output.add_file(path, data + end, header);
  for (size_t i = 0; i < tensors.size(); ++i) {
    state_->output.add_tensor(tensors[i].name, file, data + offsets[i], sizes[i]);
  }
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::append(std::string_view name, const void* data, int64_t bytes) {
  state_->output.append(name, data, bytes);
}

void GgufWriter::finish() { state_->output.finish(); }

}  // namespace fathom
