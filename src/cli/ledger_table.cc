#include "cli/ledger_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/error.h"
#include "server/api/json_text.h"

namespace fathom::cli {
namespace {

using server::compact_json;
using server::json_decimal;

// RFC 4180.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string csv(const LedgerTable& table) {
  std::string out;
  const auto add = [&](const auto& cells) {
    for (size_t i = 0; i < cells.size(); ++i) out += (i == 0 ? "" : ",") + csv_cell(cells[i]);
    out += "\r\n";
  };
  std::vector<std::string> names;
  for (const LedgerColumn& column : table.columns) names.push_back(column.name);
  add(names);
  for (const auto& row : table.rows) add(row);
  return out;
}

JsonValue::Object object_of(const LedgerTable& table, const std::vector<std::string>& row, bool texts) {
  JsonValue::Object object;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const LedgerColumn& column = table.columns[i];
    if (column.number) {
      object.push_back({column.name, row[i].empty() ? JsonValue() : json_decimal(row[i])});
    } else if (texts) {
      object.push_back({column.name, row[i]});
    }
  }
  return object;
}

std::string json(const LedgerTable& table) {
  JsonValue::Array rows;
  for (const auto& row : table.rows) rows.emplace_back(object_of(table, row, true));
  JsonValue::Object out{{"currency", table.currency}, {table.title, std::move(rows)}};
  if (!table.totals.empty()) out.push_back({"totals", object_of(table, table.totals, false)});
  return compact_json(out) + "\n";
}

std::string plain(const LedgerTable& table) {
  std::vector<std::vector<std::string>> lines;
  lines.emplace_back();
  for (const LedgerColumn& column : table.columns) {
    std::string name = column.name;
    std::ranges::replace(name, '_', ' ');
    lines.back().push_back(std::move(name));
  }
  // What stands in a ledger came from outside.
  const auto add = [&](const std::vector<std::string>& row) {
    lines.emplace_back();
    for (const std::string& cell : row) lines.back().push_back(printable(cell, 200));
  };
  for (const auto& row : table.rows) add(row);
  if (!table.totals.empty()) add(table.totals);
  std::vector<size_t> widths(table.columns.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - line[i].size(), ' ');
      text += (i == 0 ? "" : "  ") + (table.columns[i].number ? space + line[i] : line[i] + space);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

}  // namespace

std::string ledger_text(const LedgerTable& table, LedgerForm form) {
  return form == LedgerForm::json ? json(table) : form == LedgerForm::csv ? csv(table) : plain(table);
}

int64_t ledger_time(const std::string& text, const char* option) {
  if (!text.empty() && text.size() <= 12 && text.find_first_not_of("0123456789") == std::string::npos)
    return std::stoll(text);
  constexpr std::array<const char*, 2> kForms = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"};
  for (const char* form : kForms) {
    std::tm time{};
    const char* end = ::strptime(text.c_str(), form, &time);
    if (!end || *end || time.tm_year < 70) continue;
    std::tm same = time;
    const std::time_t seconds = ::timegm(&same);
    if (same.tm_mday == time.tm_mday) return seconds;  // 30 February becomes another day
  }
  bad_input("{}: expected 2026-11-25, 2026-11-25T08:30:00Z or Unix seconds, found '{}'", option,
            printable(text, 64));
}

}  // namespace fathom::cli
