#include "server/service/keys.h"

#include <sodium.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/file.h"

namespace fathom::server {
namespace {

constexpr size_t kHashBytes = 32;
constexpr int64_t kMaxFileBytes = 16 << 20;
constexpr int64_t kMaxCount = 1'000'000'000'000;
constexpr std::array<std::string_view, kPriorities> kPriorityNames = {"high", "normal", "low"};
constexpr std::array<std::string_view, 9> kMembers = {
    "id",       "hash",   "scopes", "models", "concurrency", "requests_per_minute", "tokens_per_minute",
    "priority", "balance"};

std::string hash_of(std::string_view key, std::string_view salt) {
  std::string hash(kHashBytes, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                     reinterpret_cast<const unsigned char*>(salt.data()), salt.size());
  return hash;
}

// A text that may stand between quotation marks.
std::string checked_text(const std::string& text, const char* name) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7E || c == '"' || c == '\\')
      bad_input("{}: expected letters, digits and signs, found '{}'", name, printable(text));
  }
  return text;
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

int64_t read_count(const toml::table& table, const char* name, const std::string& where) {
  if (!table.contains(name)) return 0;
  const auto count = table[name].value_exact<int64_t>();
  if (!count || *count < 1 || *count > kMaxCount)
    bad_input("{}.{}: expected an integer from 1 to {}, found something else", where, name, kMaxCount);
  return *count;
}

KeyEntry read_entry(const toml::table& table, const std::string& where) {
  KeyEntry entry;
  const auto id = table["id"].value<std::string>();
  if (!id || id->empty() || id->size() > 128) bad_input("{}.id: expected a name, found none", where);
  entry.id = *id;
  for (const auto& [name, value] : table) {
    if (std::ranges::find(kMembers, name.str()) == kMembers.end())
      bad_input("{}: expected a member that is known, found '{}'", where, printable(std::string(name.str())));
  }
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
  entry.concurrency = read_count(table, "concurrency", where);
  entry.requests_per_minute = read_count(table, "requests_per_minute", where);
  entry.tokens_per_minute = read_count(table, "tokens_per_minute", where);
  if (table.contains("priority")) {
    const std::string word = table["priority"].value_or(std::string());
    const auto found = std::ranges::find(kPriorityNames, word);
    if (found == kPriorityNames.end())
      bad_input("{}.priority: expected high, normal or low, found '{}'", where, printable(word));
    entry.priority = static_cast<Priority>(found - kPriorityNames.begin());
  }
  if (table.contains("balance")) {
    const auto balance = table["balance"].value<double>();
    if (!balance || !(*balance >= 0 && *balance <= 1e6))
      bad_input("{}.balance: expected an amount from 0 to 1000000, found something else", where);
    entry.balance = to_picos(*balance);
  }
  return entry;
}

// What an entry has beside id and hash, as it is read.
std::string members_text(const KeyEntry& entry) {
  std::string text;
  const auto list = [&](const char* name, const std::vector<std::string>& words) {
    text += fmt::format("{} = [", name);
    for (size_t i = 0; i < words.size(); ++i)
      text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", checked_text(words[i], name));
    text += "]\n";
  };
  std::vector<std::string> scopes;
  if (entry.inference) scopes.emplace_back("inference");
  if (entry.metrics) scopes.emplace_back("metrics");
  if (entry.admin) scopes.emplace_back("admin");
  if (scopes.size() != 1 || !entry.inference) list("scopes", scopes);
  if (!entry.models.empty()) list("models", entry.models);
  for (const auto& [name, count] : {std::pair{"concurrency", entry.concurrency},
                                    {"requests_per_minute", entry.requests_per_minute},
                                    {"tokens_per_minute", entry.tokens_per_minute}}) {
    if (count > 0) text += fmt::format("{} = {}\n", name, count);
  }
  if (entry.priority != Priority::high)
    text += fmt::format("priority = \"{}\"\n", kPriorityNames[static_cast<size_t>(entry.priority)]);
  if (entry.balance) text += fmt::format("balance = {}\n", decimal(*entry.balance));
  return text;
}

}  // namespace

Picos to_picos(double amount) { return static_cast<Picos>(std::llround(amount * 1e6)) * 1'000'000; }

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

std::string Keys::add(const std::filesystem::path& path, const KeyEntry& entry) {
  const std::string& id = entry.id;
  std::string text;
  std::string salt(kHashBytes, '\0');
  if (std::filesystem::exists(path)) {
    const auto keys = open(path);
    for (const KeyEntry& other : keys->entries_) {
      if (other.id == id)
        bad_input("id: expected a new name, found '{}' in {}", printable(id), printable(path.string()));
    }
    text = read_text(path, kMaxFileBytes);
    salt = keys->salt_;
  } else {
    randombytes_buf(salt.data(), salt.size());
    text = "# Keys of fathom serve, as keyed hashes. `fathom keys FILE NAME` adds one.\nsalt = \"" +
           to_hex(salt) + "\"\n";
  }
  (void)checked_text(id, "id");
  std::string random(24, '\0');
  randombytes_buf(random.data(), random.size());
  const std::string key = "sk-" + to_hex(random);
  text += fmt::format("\n[[key]]\nid = \"{}\"\nhash = \"{}\"\n", id, to_hex(hash_of(key, salt)));
  text += members_text(entry);
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
