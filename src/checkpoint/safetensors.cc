#include "checkpoint/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/error.h"

namespace fathom {
namespace {

constexpr int64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr size_t kMaxDims = 8;

namespace dom = simdjson::dom;

std::string_view kind(dom::element value) {
  switch (value.type()) {
    case dom::element_type::ARRAY:
      return "a list";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "a boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
    case dom::element_type::INT64:
      return "a negative number";
    default:
      return "a number";
  }
}

DType parse_dtype(dom::element value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) bad_input("dtype: expected a string, found {}", kind(value));
  const std::optional<DType> dtype = dtype_from_name(text);
  // Block formats have names of ours; a safetensors file cannot hold them.
  if (!dtype || block_values(*dtype) != 1) {
    fail(ErrorCode::unsupported,
         "dtype: expected F64, F32, F16, BF16, F8_E4M3, F8_E8M0, I64, I32, I16, I8, U8 or BOOL, found \"{}\"",
         printable(text));
  }
  return *dtype;
}

std::vector<int64_t> parse_sizes(dom::element value, std::string_view field, size_t max_count) {
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) bad_input("{}: expected a list, found {}", field, kind(value));
  std::vector<int64_t> sizes;
  for (dom::element item : list) {
    int64_t size = 0;
    if (item.get(size) != simdjson::SUCCESS || size < 0) {
      bad_input("{}[{}]: expected a whole number from 0 to 2^63 - 1, found {}", field, sizes.size(),
                item.is_int64() ? "a negative number" : kind(item));
    }
    if (sizes.size() == max_count) bad_input("{}: expected at most {} numbers, found more", field, max_count);
    sizes.push_back(size);
  }
  return sizes;
}

/// Bytes of a tensor, or -1 on overflow.
int64_t byte_size(DType dtype, const std::vector<int64_t>& shape) {
  int64_t bytes = block_bytes(dtype);
  // A zero first: [0, 2^62, 2^62] is an empty tensor and not an overflow.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  for (const int64_t dim : shape) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) return -1;
  }
  return bytes;
}

/// Offset here is still relative to the data; checks what concerns this tensor alone.
SafetensorsTensor parse_tensor(std::string_view name, dom::element value, int64_t data_bytes) {
  dom::object fields;
  if (value.get(fields) != simdjson::SUCCESS) bad_input("expected an object, found {}", kind(value));
  std::optional<DType> dtype;
  std::optional<std::vector<int64_t>> shape, offsets;
  const auto once = [](const auto& field, std::string_view key) {
    if (field) bad_input("{}: expected once, found twice", key);
  };
  for (const auto& [key, field] : fields) {
    if (key == "dtype") {
      once(dtype, key);
      dtype = parse_dtype(field);
    } else if (key == "shape") {
      once(shape, key);
      shape = parse_sizes(field, key, kMaxDims);
    } else if (key == "data_offsets") {
      once(offsets, key);
      offsets = parse_sizes(field, key, 2);
    }
  }
  if (!dtype) bad_input("dtype: expected a string, found nothing");
  if (!shape) bad_input("shape: expected a list, found nothing");
  if (!offsets || offsets->size() != 2) {
    bad_input("data_offsets: expected 2 numbers, found {}", offsets ? offsets->size() : 0);
  }
  const int64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end || end > data_bytes) {
    bad_input("data_offsets: expected begin <= end <= {} (bytes of data in the file), found [{}, {}]",
              data_bytes, begin, end);
  }
  const int64_t bytes = byte_size(*dtype, *shape);
  if (bytes < 0) bad_input("shape: expected fewer than 2^63 bytes, found more");
  if (bytes != end - begin) {
    bad_input("data_offsets: expected {} bytes ({} of the shape's size), found {}", bytes,
              fathom::name(*dtype), end - begin);
  }
  return {std::string(name), *dtype, std::move(*shape), begin, bytes};
}

void check_metadata(dom::element value) {
  dom::object fields;
  if (value.get(fields) != simdjson::SUCCESS)
    bad_input("__metadata__: expected an object, found {}", kind(value));
  for (const auto& [key, text] : fields) {
    if (!text.is_string()) {
      bad_input("__metadata__: {}: expected a string, found {}", printable(key), kind(text));
    }
  }
}

/// The data must be covered exactly: no overlap, no hole, nothing left at the end.
void check_layout(std::vector<SafetensorsTensor>& tensors, int64_t data_bytes) {
  std::sort(tensors.begin(), tensors.end(), [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
  });
  int64_t expected = 0;
  for (const SafetensorsTensor& t : tensors) {
    if (t.offset != expected) {
      bad_input(
          "tensor {}: data_offsets: expected to begin at {}, where the tensor before it ends, found {} ({})",
          printable(t.name), expected, t.offset, t.offset < expected ? "overlap" : "hole");
    }
    expected = t.offset + t.bytes;
  }
  if (expected != data_bytes) {
    bad_input("expected {} bytes of data, where the last tensor ends, found {}", expected, data_bytes);
  }
}

void check_unique(const std::vector<SafetensorsTensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const SafetensorsTensor& t : tensors) names.push_back(t.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) bad_input("tensor {}: expected once, found twice", printable(*twice));
}

std::vector<SafetensorsTensor> parse(const MappedFile& file) {
  if (file.size() < 8) bad_input("header: expected at least 8 bytes, found {}", file.size());
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  const int64_t limit = std::min(file.size() - 8, kMaxHeaderBytes);
  if (length > static_cast<uint64_t>(limit)) {
    bad_input("header: expected a length of at most {} bytes, found {}", limit, length);
  }
  const auto* text = reinterpret_cast<const char*>(file.data()) + 8;
  if (length < 2 || text[0] != '{') bad_input("header: expected a JSON object, found other bytes");
  const int64_t data_bytes = file.size() - 8 - static_cast<int64_t>(length);

  dom::parser parser;
  dom::object header;
  // The copy has the padding that simdjson wants behind its input.
  const simdjson::padded_string copy(text, length);
  const auto error = parser.parse(copy).get(header);
  if (error != simdjson::SUCCESS) {
    bad_input("header: expected a JSON object, found: {}", simdjson::error_message(error));
  }
  std::vector<SafetensorsTensor> tensors;
  tensors.reserve(header.size());
  bool metadata = false;
  for (const auto& [key, value] : header) {
    if (key == "__metadata__") {
      if (std::exchange(metadata, true)) bad_input("__metadata__: expected once, found twice");
      check_metadata(value);
      continue;
    }
    try {
      tensors.push_back(parse_tensor(key, value, data_bytes));
    } catch (const Error& e) {
      throw Error(e.code(), "tensor " + printable(key) + ": " + e.message());
    }
  }
  check_unique(tensors);
  check_layout(tensors, data_bytes);
  for (SafetensorsTensor& t : tensors) t.offset += 8 + static_cast<int64_t>(length);
  return tensors;
}

}  // namespace

std::vector<SafetensorsTensor> read_safetensors(const MappedFile& file) {
  return in_context(printable(file.path(), 400), [&] { return parse(file); });
}

}  // namespace fathom
