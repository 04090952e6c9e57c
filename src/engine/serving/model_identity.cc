#include "engine/serving/model_identity.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include "checkpoint/weights_hash.h"

namespace fathom {

std::string model_identity(const Model& model, const Runtime<float>& runtime) {
  struct stat program{};
  (void)::stat("/proc/self/exe", &program);
  return fmt::format("{}-{}-{}-{:x}-{:x}{:09}", weights_hash(model.weights().checkpoint()),
                     name(runtime.numerics().mode), name(runtime.target()),
                     static_cast<int64_t>(program.st_size), static_cast<int64_t>(program.st_mtim.tv_sec),
                     static_cast<int64_t>(program.st_mtim.tv_nsec));
}

}  // namespace fathom
