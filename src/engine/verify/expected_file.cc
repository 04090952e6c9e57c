#include "engine/verify/expected_file.h"

#include <cstring>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/tensor.h"
#include "formats/decode.h"

namespace fathom::verify {

ExpectedFile::ExpectedFile(const std::filesystem::path& path) : file_(path) {
  for (SafetensorsTensor& t : read_safetensors(file_)) {
    std::string name = t.name;
    tensors_.emplace(std::move(name), std::move(t));
  }
}

std::string ExpectedFile::where(const std::string& name) const {
  return printable(file_.path(), 400) + ": " + printable(name);
}

const SafetensorsTensor& ExpectedFile::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail(ErrorCode::not_found, "{}: expected a tensor of this name", where(name));
  }
  return found->second;
}

template <class Real>
std::vector<Real> ExpectedFile::reals(const std::string& name) const {
  const SafetensorsTensor& t = find(name);
  if (t.dtype != DType::F64 && t.dtype != DType::F32 && t.dtype != DType::BF16 && t.dtype != DType::F16) {
    bad_input("{}: expected F64, F32, BF16 or F16, found {}", where(name), fathom::name(t.dtype));
  }
  WeightView w;
  w.dtype = t.dtype;
  w.rows = 1;
  w.cols = t.bytes / block_bytes(t.dtype);
  w.row_bytes = t.bytes;
  w.data = file_.data() + t.offset;
  std::vector<Real> out(static_cast<size_t>(w.cols));
  if (w.cols > 0) decode_row(w, 0, out.data());
  read_.insert(name);
  return out;
}

std::vector<float> ExpectedFile::floats(const std::string& name) const { return reals<float>(name); }
std::vector<double> ExpectedFile::doubles(const std::string& name) const { return reals<double>(name); }

std::vector<int32_t> ExpectedFile::ints(const std::string& name) const {
  const SafetensorsTensor& t = find(name);
  const std::byte* data = file_.data() + t.offset;
  std::vector<int32_t> out;
  const auto read = [&]<class T>(T) {
    for (int64_t at = 0; at + static_cast<int64_t>(sizeof(T)) <= t.bytes; at += sizeof(T)) {
      T value;
      std::memcpy(&value, data + at, sizeof value);
      if (static_cast<int64_t>(static_cast<int32_t>(value)) != static_cast<int64_t>(value)) {
        bad_input("{}: expected values within 32 bits, found {}", where(name), value);
      }
      out.push_back(static_cast<int32_t>(value));
    }
  };
  switch (t.dtype) {
    case DType::I64:
      read(int64_t{});
      break;
    case DType::I32:
      read(int32_t{});
      break;
    case DType::I8:
      read(int8_t{});
      break;
    case DType::U8:
    case DType::BOOL:
      read(uint8_t{});
      break;
    default:
      bad_input("{}: expected I64, I32, I8 or U8, found {}", where(name), fathom::name(t.dtype));
  }
  read_.insert(name);
  return out;
}

int64_t ExpectedFile::scalar(const std::string& name) const {
  const std::vector<int32_t> values = ints(name);
  if (values.size() != 1) bad_input("{}: expected one value, found {}", where(name), values.size());
  return values.front();
}

std::vector<uint8_t> ExpectedFile::bytes(const std::string& name) const {
  const SafetensorsTensor& t = find(name);
  std::vector<uint8_t> out(static_cast<size_t>(t.bytes));
  if (!out.empty()) std::memcpy(out.data(), file_.data() + t.offset, out.size());
  read_.insert(name);
  return out;
}

std::vector<std::string> ExpectedFile::names() const {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : tensors_) out.push_back(name);
  return out;
}

std::vector<std::string> ExpectedFile::unread() const {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : tensors_) {
    if (!read_.contains(name)) out.push_back(name);
  }
  return out;
}

}  // namespace fathom::verify
