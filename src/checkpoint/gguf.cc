#include "checkpoint/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "base/error.h"

namespace fathom {
namespace {

// What a sane file stays far below; it keeps a hostile one from filling memory with small items.
constexpr uint64_t kMaxItems = 16'000'000;
constexpr uint64_t kMaxEntries = 1'000'000;
constexpr int kMaxArrayDepth = 4;
constexpr uint64_t kMaxKeyBytes = 65'535;
constexpr int64_t kMaxAlignment = 1 << 20;

struct TensorType {
  uint32_t id;
  DType dtype;
};
constexpr std::array kTensorTypes{
    TensorType{0, DType::F32},    TensorType{1, DType::F16},   TensorType{8, DType::Q8_0},
    TensorType{10, DType::Q2_K},  TensorType{12, DType::Q4_K}, TensorType{16, DType::IQ2_XXS},
    TensorType{24, DType::I8},    TensorType{25, DType::I16},  TensorType{26, DType::I32},
    TensorType{27, DType::I64},   TensorType{28, DType::F64},  TensorType{30, DType::BF16},
    TensorType{39, DType::MXFP4},
};

/// Bytes of a number or boolean, 0 for strings, arrays and unknown types.
int64_t size_of(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    default:
      return 0;
  }
}

template <class T>
T load(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

/// Walks the header; every step checks that the file has the bytes.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : begin_(file.data()), size_(file.size()) {}
  int64_t position() const { return at_; }
  uint64_t left() const { return static_cast<uint64_t>(size_ - at_); }

  const std::byte* take(uint64_t bytes, const char* what) {
    if (bytes > left())
      bad_input("{}: expected {} bytes, found {} to the end of the file", what, bytes, left());
    const std::byte* out = begin_ + at_;
    at_ += static_cast<int64_t>(bytes);
    return out;
  }
  template <class T>
  T number(const char* what) {
    return load<T>(take(sizeof(T), what));
  }
  /// A count of items that take at least `item_bytes` each.
  uint64_t count(const char* what, uint64_t item_bytes, uint64_t limit) {
    const auto value = number<uint64_t>(what);
    const uint64_t most = std::min(limit, left() / item_bytes);
    if (value > most)
      bad_input("{}: expected at most {} (what the file has room for), found {}", what, most, value);
    return value;
  }
  std::string_view text(const char* what, uint64_t limit) {
    const auto length = number<uint64_t>(what);
    if (length > limit) bad_input("{}: expected a length of at most {} bytes, found {}", what, limit, length);
    return {reinterpret_cast<const char*>(take(length, what)), static_cast<size_t>(length)};
  }

 private:
  const std::byte* begin_;
  int64_t size_, at_ = 0;
};

GgufType read_type(Cursor& in) {
  const auto type = in.number<uint32_t>("type");
  if (type > static_cast<uint32_t>(GgufType::f64)) bad_input("type: expected 0 to 12, found {}", type);
  return static_cast<GgufType>(type);
}

void read_items(Cursor& in, GgufType type, uint64_t count, int depth, uint64_t& items, GgufValue* out);

void read_array(Cursor& in, int depth, uint64_t& items, GgufValue* out) {
  if (depth > kMaxArrayDepth) bad_input("array: expected at most {} levels, found more", kMaxArrayDepth);
  const GgufType type = read_type(in);
  const int64_t size = size_of(type);
  const uint64_t least = type == GgufType::string  ? 8
                         : type == GgufType::array ? 12
                                                   : static_cast<uint64_t>(size);
  const uint64_t count = in.count("array length", least, std::numeric_limits<uint32_t>::max());
  if (out != nullptr) {
    out->type = type;
    out->is_array = true;
    out->count = static_cast<int64_t>(count);
  }
  read_items(in, type, count, depth, items, out);
}

void read_items(Cursor& in, GgufType type, uint64_t count, int depth, uint64_t& items, GgufValue* out) {
  if (type != GgufType::string && type != GgufType::array) {
    const std::byte* data = in.take(count * static_cast<uint64_t>(size_of(type)), "value");
    if (out != nullptr) out->data = data;
    return;
  }
  items += count;
  if (items > kMaxItems)
    bad_input("arrays: expected at most {} strings and arrays in all, found more", kMaxItems);
  for (uint64_t i = 0; i < count; ++i) {
    if (type == GgufType::array) {
      read_array(in, depth + 1, items, nullptr);
    } else {
      const std::string_view text = in.text("string", in.left());
      if (out != nullptr) out->strings.push_back(text);
    }
  }
}

GgufValue read_value(Cursor& in, uint64_t& items) {
  GgufValue value;
  value.type = read_type(in);
  if (value.type == GgufType::array) {
    read_array(in, 1, items, &value);
  } else {
    read_items(in, value.type, 1, 0, items, &value);
  }
  return value;
}

/// Offset here is still relative to the data.
GgufTensor read_tensor(Cursor& in, std::string_view name) {
  GgufTensor t;
  t.name = name;
  const auto dims = in.number<uint32_t>("dimensions");
  if (dims < 1 || dims > 4) bad_input("dimensions: expected 1 to 4, found {}", dims);
  for (uint32_t i = 0; i < dims; ++i) {
    const auto dim = in.number<uint64_t>("shape");
    if (dim < 1 || dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      bad_input("shape: expected sizes from 1 to 2^63 - 1, found {}", dim);
    }
    t.shape.insert(t.shape.begin(), static_cast<int64_t>(dim));
  }
  const auto type = in.number<uint32_t>("type");
  const auto known =
      std::find_if(kTensorTypes.begin(), kTensorTypes.end(), [&](TensorType k) { return k.id == type; });
  if (known == kTensorTypes.end()) {
    fail(ErrorCode::unsupported,
         "type: expected F32, F16, BF16, Q8_0, Q2_K, Q4_K, IQ2_XXS, MXFP4, F64 or an integer type, found "
         "ggml type {}",
         type);
  }
  t.dtype = known->dtype;
  t.bytes = row_bytes(t.dtype, t.shape.back());
  if (t.bytes < 0) {
    bad_input("shape: expected rows of whole blocks of {} ({}), found {}", block_values(t.dtype),
              fathom::name(t.dtype), t.shape.back());
  }
  for (size_t i = 0; i + 1 < t.shape.size(); ++i) {
    if (__builtin_mul_overflow(t.bytes, t.shape[i], &t.bytes)) {
      bad_input("shape: expected fewer than 2^63 bytes, found more");
    }
  }
  const auto offset = in.number<uint64_t>("offset");
  if (offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    bad_input("offset: expected one inside the file, found {}", offset);
  }
  t.offset = static_cast<int64_t>(offset);
  return t;
}

/// Makes offsets absolute.
void place_tensors(std::vector<GgufTensor>& tensors, int64_t header_end, int64_t alignment,
                   int64_t file_size) {
  const int64_t data = (header_end + alignment - 1) / alignment * alignment;
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  int64_t end = data;
  for (GgufTensor& t : tensors) {
    const std::string shown = printable(t.name);
    if (t.offset % alignment != 0) {
      bad_input("tensor {}: offset: expected a multiple of {} (general.alignment), found {}", shown,
                alignment, t.offset);
    }
    if (file_size < data || t.offset > file_size - data || t.bytes > file_size - data - t.offset) {
      bad_input("tensor {}: offset: expected {} bytes inside the file's {} bytes of data, found them at {}",
                shown, t.bytes, std::max<int64_t>(0, file_size - data), t.offset);
    }
    t.offset += data;
    if (t.offset < end) bad_input("tensor {}: offset: expected data of its own, found an overlap", shown);
    end = t.offset + t.bytes;
  }
  std::vector<std::string_view> names;
  for (const GgufTensor& t : tensors) names.push_back(t.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) bad_input("tensor {}: expected once, found twice", printable(*twice));
}

void check_version(Cursor& in) {
  if (in.number<uint32_t>("magic") != 0x46554747u) bad_input("magic: expected \"GGUF\", found other bytes");
  const auto version = in.number<uint32_t>("version");
  if (version != 2 && version != 3) {
    fail(ErrorCode::unsupported, "version: expected 2 or 3 (little endian), found {}{}", version,
         (version & 0xFFFFu) == 0 && version != 0 ? " (big endian)" : "");
  }
}

}  // namespace

GgufFile read_gguf(const MappedFile& file) {
  const std::string where = printable(file.path(), 400);
  return in_context(where, [&] {
    Cursor in(file);
    check_version(in);
    GgufFile out;
    out.metadata.file_ = where;
    const uint64_t tensors = in.count("tensor count", 32, kMaxEntries);
    const uint64_t entries = in.count("metadata count", 13, kMaxEntries);
    uint64_t items = 0;
    for (uint64_t i = 0; i < entries; ++i) {
      const std::string_view key =
          in_context(fmt::format("metadata {}", i), [&] { return in.text("key", kMaxKeyBytes); });
      const std::string shown = printable(key);
      GgufValue value = in_context(shown, [&] { return read_value(in, items); });
      if (!out.metadata.values_.emplace(key, std::move(value)).second) {
        bad_input("{}: expected once, found twice", shown);
      }
    }
    for (uint64_t i = 0; i < tensors; ++i) {
      const std::string_view name =
          in_context(fmt::format("tensor {}", i), [&] { return in.text("name", kMaxKeyBytes); });
      out.tensors.push_back(in_context("tensor " + printable(name), [&] { return read_tensor(in, name); }));
    }
    int64_t alignment = 32;
    if (out.metadata.has("general.alignment")) {
      alignment = out.metadata.integer("general.alignment");
      if (alignment < 1 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0) {
        bad_input("general.alignment: expected a power of two up to {}, found {}", kMaxAlignment, alignment);
      }
    }
    place_tensors(out.tensors, in.position(), alignment, file.size());
    return out;
  });
}

void GgufMetadata::refuse(std::string_view key, const std::string& expected, const std::string& found) const {
  bad_input("{}: {}: expected {}, found {}", file_, printable(key), expected, found);
}

const GgufValue& GgufMetadata::find(std::string_view key, const char* expected) const {
  const auto found = values_.find(key);
  if (found == values_.end()) refuse(key, expected, "nothing");
  if (found->second.count < 1) refuse(key, expected, "an empty array");
  return found->second;
}

int64_t GgufMetadata::integer_at(std::string_view key, const GgufValue& value, int64_t i) const {
  const std::byte* data = value.data + i * size_of(value.type);
  switch (value.type) {
    case GgufType::u8:
      return load<uint8_t>(data);
    case GgufType::i8:
      return load<int8_t>(data);
    case GgufType::u16:
      return load<uint16_t>(data);
    case GgufType::i16:
      return load<int16_t>(data);
    case GgufType::u32:
      return load<uint32_t>(data);
    case GgufType::i32:
      return load<int32_t>(data);
    case GgufType::i64:
      return load<int64_t>(data);
    case GgufType::u64: {
      const auto n = load<uint64_t>(data);
      if (n > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        refuse(key, "an integer below 2^63", "more");
      return static_cast<int64_t>(n);
    }
    default:
      refuse(key, "an integer", "another type");
  }
}

float GgufMetadata::number_at(std::string_view key, const GgufValue& value, int64_t i) const {
  const std::byte* data = value.data + i * size_of(value.type);
  if (value.type == GgufType::f32) return load<float>(data);
  if (value.type == GgufType::f64) return static_cast<float>(load<double>(data));
  return static_cast<float>(integer_at(key, value, i));
}

int64_t GgufMetadata::integer(std::string_view key) const {
  const GgufValue& value = find(key, "an integer");
  const int64_t first = integer_at(key, value, 0);
  for (int64_t i = 1; i < value.count; ++i) {
    if (integer_at(key, value, i) != first) refuse(key, "one value for all blocks", "several");
  }
  return first;
}

float GgufMetadata::number(std::string_view key) const {
  const GgufValue& value = find(key, "a number");
  const float first = number_at(key, value, 0);
  for (int64_t i = 1; i < value.count; ++i) {
    if (number_at(key, value, i) != first) refuse(key, "one value for all blocks", "several");
  }
  return first;
}

bool GgufMetadata::boolean(std::string_view key) const {
  const GgufValue& value = find(key, "a boolean");
  if (value.type != GgufType::boolean || value.is_array) refuse(key, "a boolean", "another type");
  return load<uint8_t>(value.data) != 0;
}

std::string_view GgufMetadata::text(std::string_view key) const {
  const GgufValue& value = find(key, "a string");
  if (value.type != GgufType::string || value.is_array) refuse(key, "a string", "another type");
  return value.strings[0];
}

std::vector<int64_t> GgufMetadata::integers(std::string_view key) const {
  const GgufValue& value = find(key, "an array of integers");
  if (static_cast<uint64_t>(value.count) > kMaxItems)
    refuse(key, "a shorter array", std::to_string(value.count));
  std::vector<int64_t> out;
  for (int64_t i = 0; i < value.count; ++i) out.push_back(integer_at(key, value, i));
  return out;
}

const std::vector<std::string_view>& GgufMetadata::strings(std::string_view key) const {
  const GgufValue& value = find(key, "an array of strings");
  if (value.type != GgufType::string || !value.is_array) refuse(key, "an array of strings", "another type");
  return value.strings;
}

}  // namespace fathom
