#include "kernels/scratch.h"

namespace fathom {

Scratch& thread_scratch(ScratchSlot slot) {
  thread_local Scratch slots[static_cast<size_t>(ScratchSlot::count)];
  return slots[static_cast<size_t>(slot)];
}

}  // namespace fathom
