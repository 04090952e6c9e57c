#pragma once
/// Word lists of the generators: plain words that a small model can learn to use. Chosen from dariusk/corpora
/// (CC0; recipes/sources.json).

#include <span>
#include <string_view>

namespace fathom::words {

std::span<const std::string_view> names();  ///< first names
bool is_female(std::string_view name);      ///< of names()
std::span<const std::string_view> animals();
std::span<const std::string_view> adjectives();  ///< of animals and persons
std::span<const std::string_view> colors();
std::span<const std::string_view> things();      ///< that can be carried
std::span<const std::string_view> foods();       ///< plurals
std::span<const std::string_view> countables();  ///< plurals of small things that can be counted and given
std::span<const std::string_view> places();      ///< with "in the" or "near the"
std::span<const std::string_view> spelled();     ///< words to spell, 3 to 9 letters
std::span<const std::string_view> jobs();
std::span<const std::string_view> cities();

/// "a" or "an".
std::string_view a_or_an(std::string_view word);

}  // namespace fathom::words
