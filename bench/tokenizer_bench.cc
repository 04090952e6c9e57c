// How fast is the tokenizer? usage: tokenizer_bench TOKENIZER_JSON TEXT_FILE...
// Prints the time until a tokenizer.json is ready, and for each text the encoding rate of one thread: the
// best and the median of seven runs, the first (cold caches) apart.
#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace {

double seconds_of(auto&& f) {
  const std::clock_t start = std::clock();
  f();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    fmt::print(stderr, "usage: tokenizer_bench TOKENIZER_JSON TEXT_FILE...\n");
    return 2;
  }
  std::shared_ptr<const fathom::Tokenizer> tokenizer;
  std::vector<double> loads;
  for (int run = 0; run < 5; ++run) {
    loads.push_back(seconds_of([&] { tokenizer = fathom::Tokenizer::open(argv[1]); }));
  }
  std::sort(loads.begin(), loads.end());
  fmt::print("load: median {:.1f} ms, most {:.1f} ms\n", loads[loads.size() / 2] * 1e3, loads.back() * 1e3);
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    size_t tokens = 0;
    std::vector<double> runs;
    const double first = seconds_of([&] { tokens = tokenizer->encode(text, true).size(); });
    for (int run = 0; run < 7; ++run) runs.push_back(seconds_of([&] { tokenizer->encode(text, true); }));
    std::sort(runs.begin(), runs.end());
    const double megabytes = static_cast<double>(text.size()) / 1e6;
    fmt::print("{}: {:.2f} MB, {} tokens: first {:.1f}, median {:.1f}, best {:.1f} MB/s\n", argv[i],
               megabytes, tokens, megabytes / first, megabytes / runs[runs.size() / 2], megabytes / runs[0]);
  }
  return 0;
} catch (const fathom::Error& error) {
  fmt::print(stderr, "tokenizer_bench: {}\n", error.message());
  return 1;
}
