// Compiles FATHOM_KERNEL (a "*.simd.h" file) once per instruction set, each in its own namespace. Include it
// last in a kernel's .cc file: the target pragma must not reach the code of other headers, and with it
// (unlike with per-file compiler flags) no function shared with the rest of the program is built for AVX-512.
// No include guard. A kernel with a body of its own for avx512_bf16 defines FATHOM_KERNEL_HAS_BF16 before.
// clang ignores the pragma: there, and on other architectures, the plain target stands alone.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "formats/half.h"
#include "kernels/row_format.h"
#include "kernels/scratch.h"
#include "kernels/target.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FATHOM_X86_TARGETS 1
#include <immintrin.h>
#endif

#define FATHOM_INLINE static inline __attribute__((always_inline))

#define FATHOM_TARGET plain
#define FATHOM_LEVEL 0
#include "kernels/simd.h"
#include FATHOM_KERNEL
#undef FATHOM_TARGET
#undef FATHOM_LEVEL

#ifdef FATHOM_X86_TARGETS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false ones inside g++ 12's AVX-512 intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"

#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi,bmi2")
#define FATHOM_TARGET avx2
#define FATHOM_LEVEL 1
#include "kernels/simd.h"
#include FATHOM_KERNEL
#undef FATHOM_TARGET
#undef FATHOM_LEVEL
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi,bmi2,avx512f,avx512bw,avx512vl,avx512dq")
#define FATHOM_TARGET avx512
#define FATHOM_LEVEL 2
#include "kernels/simd.h"
#include FATHOM_KERNEL
#undef FATHOM_TARGET
#undef FATHOM_LEVEL
#pragma GCC pop_options

#ifdef FATHOM_KERNEL_HAS_BF16
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512bf16")
#define FATHOM_TARGET avx512_bf16
#define FATHOM_LEVEL 3
#include "kernels/simd.h"
#include FATHOM_KERNEL
#undef FATHOM_TARGET
#undef FATHOM_LEVEL
#pragma GCC pop_options
#endif

#pragma GCC diagnostic pop

#ifdef FATHOM_KERNEL_HAS_BF16
#define FATHOM_BEST(name) avx512_bf16::name
#else
#define FATHOM_BEST(name) avx512::name
#endif
/// The body of a kernel for a target.
#define FATHOM_PICK(name, target)              \
  ((target) == Target::plain    ? plain::name  \
   : (target) == Target::avx2   ? avx2::name   \
   : (target) == Target::avx512 ? avx512::name \
                                : FATHOM_BEST(name))
#else
#define FATHOM_PICK(name, target) (static_cast<void>(target), plain::name)
#endif
