#pragma once
/// Recipes read for what they say of a model and its stages, without their data.

#include <string>
#include <vector>

#include "train/recipe.h"

namespace fathom {

/// Recipe::parse() of a file whose data are not opened: one whose data come from the command line
/// (recipes/micro.json) is read too. Throws as parse(), and Error(io) naming the file.
Recipe recipe_without_data(const std::string& file, std::vector<std::string> overrides = {});

}  // namespace fathom
