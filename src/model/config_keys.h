#pragma once
/// The keys of a config.json, for whoever wants a mistyped one named: ModelConfig::parse() passes over what
/// it does not know, as a config of a later library may say more.

#include <string_view>

namespace fathom {

/// Throws Error(bad_input) naming a key that no config of a V4 model has, at any depth.
void refuse_unknown_config_keys(std::string_view json_text);

}  // namespace fathom
