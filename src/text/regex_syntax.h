#pragma once
/// The regular expressions of tokenizer.json are Oniguruma's (Ruby syntax, Unicode 16.0); ours run on PCRE2.
/// Source: architecture.md section 11 (classes), Oniguruma's doc/RE.

#include <string>
#include <string_view>

namespace fathom {

/// The PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE) that matches what `pattern` matches there:
/// \p{L}, \p{M}, \p{N}, \p{P}, \p{S} get Unicode 16.0's additions, \s becomes Oniguruma's set, and `{,n}`,
/// `\v` and the like are spelt out. Other properties (\p{Lu}, \p{Han}, \d) keep the Unicode version of PCRE2.
/// What the two engines read differently and what makes matching unbounded or context-dependent
/// (back-references, recursion, \G, \K, nested sets, ...) is refused. Throws Error(unsupported) naming the
/// construct and its byte offset; Error(bad_input) for a broken pattern.
std::string to_pcre2(std::string_view pattern);

/// A PCRE2 pattern that matches `text` itself.
std::string quote_for_pcre2(std::string_view text);

}  // namespace fathom
