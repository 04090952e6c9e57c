#include "server/service/keys.h"

#include <sodium.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"

namespace fathom::server {
namespace {

constexpr size_t kHashBytes = 32;
constexpr int64_t kMaxFileBytes = 16 << 20;

std::string hash_of(std::string_view key, std::string_view salt) {
  std::string hash(kHashBytes, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                     reinterpret_cast<const unsigned char*>(salt.data()), salt.size());
  return hash;
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string from_hex(const std::string& hex, const std::string& where) {
  std::string bytes(kHashBytes, '\0');
  size_t size = 0;
  const char* end = nullptr;
  const int bad = sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), hex.data(),
                                 hex.size(), nullptr, &size, &end);
  if (bad != 0 || size != kHashBytes || end != hex.data() + hex.size())
    bad_input("{}: expected 64 hex digits, found '{}'", where, printable(hex, 80));
  return bytes;
}

KeyEntry read_entry(const toml::table& table, const std::string& where) {
  KeyEntry entry;
  const auto id = table["id"].value<std::string>();
  if (!id || id->empty() || id->size() > 128) bad_input("{}.id: expected a name, found none", where);
  entry.id = *id;
  if (const auto* scopes = table["scopes"].as_array()) {
    entry.inference = false;
    for (const auto& scope : *scopes) {
      const std::string word = scope.value_or(std::string());
      if (word == "inference") {
        entry.inference = true;
      } else if (word == "metrics") {
        entry.metrics = true;
      } else if (word == "admin") {
        entry.admin = true;
      } else {
        bad_input("{}.scopes: expected inference, metrics or admin, found '{}'", where, printable(word));
      }
    }
  }
  if (const auto* models = table["models"].as_array()) {
    for (const auto& model : *models) entry.models.push_back(model.value_or(std::string()));
  }
  entry.concurrency = table["concurrency"].value_or(int64_t{0});
  if (table.contains("balance")) {
    const auto balance = table["balance"].value<double>();
    if (!balance || !(*balance >= 0 && *balance <= 1e6))
      bad_input("{}.balance: expected an amount from 0 to 1000000, found something else", where);
    entry.balance = static_cast<Picos>(std::llround(*balance * 1e6)) * 1'000'000;
  }
  return entry;
}

}  // namespace

std::unique_ptr<Keys> Keys::open(const std::filesystem::path& path) {
  const std::string where = printable(path.string());
  const std::string text = read_text(path, kMaxFileBytes);
  auto keys = std::make_unique<Keys>();
  try {
    const toml::table file = toml::parse(text);
    keys->salt_ = from_hex(file["salt"].value_or(std::string()), where + ": salt");
    if (const auto* list = file["key"].as_array()) {
      for (const auto& item : *list) {
        const std::string place = fmt::format("{}: key[{}]", where, keys->entries_.size());
        if (!item.is_table()) bad_input("{}: expected a table, found something else", place);
        keys->entries_.push_back(read_entry(*item.as_table(), place));
        keys->hashes_.push_back(
            from_hex((*item.as_table())["hash"].value_or(std::string()), place + ".hash"));
      }
    }
  } catch (const toml::parse_error& error) {
    bad_input("{}: expected TOML, found: {} at line {}", where, error.description(),
              error.source().begin.line);
  }
  return keys;
}

std::string Keys::add(const std::filesystem::path& path, const std::string& id) {
  std::string text;
  std::string salt(kHashBytes, '\0');
  if (std::filesystem::exists(path)) {
    const auto keys = open(path);
    for (const KeyEntry& entry : keys->entries_) {
      if (entry.id == id)
        bad_input("id: expected a new name, found '{}' in {}", printable(id), printable(path.string()));
    }
    text = read_text(path, kMaxFileBytes);
    salt = keys->salt_;
  } else {
    randombytes_buf(salt.data(), salt.size());
    text = "# Keys of fathom serve, as keyed hashes. `fathom keys FILE NAME` adds one.\nsalt = \"" +
           to_hex(salt) + "\"\n";
  }
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7E || c == '"' || c == '\\')
      bad_input("id: expected letters, digits and signs, found '{}'", printable(id));
  }
  std::string random(24, '\0');
  randombytes_buf(random.data(), random.size());
  const std::string key = "sk-" + to_hex(random);
  text += fmt::format("\n[[key]]\nid = \"{}\"\nhash = \"{}\"\n", id, to_hex(hash_of(key, salt)));
  write_atomically(path, text);
  return key;
}

const KeyEntry* Keys::find(std::string_view key) const {
  const std::string hash = hash_of(key, salt_);
  const KeyEntry* found = nullptr;
  for (size_t i = 0; i < hashes_.size(); ++i) {  // all of them, whichever it is
    if (sodium_memcmp(hashes_[i].data(), hash.data(), kHashBytes) == 0) found = &entries_[i];
  }
  return found;
}

}  // namespace fathom::server
