// Bodies of machine_peak.cc. Each keeps more independent accumulators than latency times ports of any core
// (fma 4 cycles x 2, bf16 dot product 6 x 2), but no more than it has registers; the loop over them must be
// unrolled, else they live in memory and a third of the peak is measured.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FATHOM_PEAK_X86 1
#include <immintrin.h>
#endif

// The register class that holds a vector, for empty asm statements that keep values alive.
#if defined(__x86_64__)
#define FATHOM_KEEP(value) asm volatile("" : "+x"(value))
#elif defined(__aarch64__)
#define FATHOM_KEEP(value) asm volatile("" : "+w"(value))
#else
#define FATHOM_KEEP(value) asm volatile("" : "+m"(value))
#endif

namespace fathom::peak {

constexpr int kAccumulators = 12, kWideAccumulators = 24;  // of 16 and of 32 registers
constexpr float kFactor = 0.9999999f, kAddend = 1e-7f;

// Vectors of four, as every target has; the compiler keeps them in registers.
static float plain_f32(int64_t rounds) {
  typedef float Vector __attribute__((vector_size(16)));
  Vector acc[kAccumulators] = {};
  const Vector factor = {kFactor, kFactor, kFactor, kFactor}, addend = {kAddend, kAddend, kAddend, kAddend};
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (Vector& each : acc) {
      each = each * factor + addend;
      FATHOM_KEEP(each);  // no reordering across rounds, no closed form
    }
  }
  float sum = 0;
#pragma GCC unroll 24
  for (const Vector& each : acc) sum += each[0] + each[1] + each[2] + each[3];
  return sum;
}

#ifdef FATHOM_PEAK_X86
__attribute__((target("avx2,fma"))) static float avx2_f32(int64_t rounds) {
  __m256 acc[kAccumulators];
#pragma GCC unroll 24
  for (__m256& each : acc) each = _mm256_setzero_ps();
  const __m256 factor = _mm256_set1_ps(kFactor), addend = _mm256_set1_ps(kAddend);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (__m256& each : acc) {
      each = _mm256_fmadd_ps(each, factor, addend);
      asm volatile("" : "+x"(each));
    }
  }
  __m256 sum = _mm256_setzero_ps();
#pragma GCC unroll 24
  for (const __m256& each : acc) sum = _mm256_add_ps(sum, each);
  float lanes[8];
  _mm256_storeu_ps(lanes, sum);
  return lanes[0] + lanes[7];
}

__attribute__((target("avx512f"))) static float avx512_f32(int64_t rounds) {
  __m512 acc[kWideAccumulators];
#pragma GCC unroll 24
  for (__m512& each : acc) each = _mm512_setzero_ps();
  const __m512 factor = _mm512_set1_ps(kFactor), addend = _mm512_set1_ps(kAddend);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (__m512& each : acc) {
      each = _mm512_fmadd_ps(each, factor, addend);
      asm volatile("" : "+v"(each));
    }
  }
  __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 24
  for (const __m512& each : acc) sum = _mm512_add_ps(sum, each);
  float lanes[16];
  _mm512_storeu_ps(lanes, sum);
  return lanes[0] + lanes[15];
}

__attribute__((target("avx512f,avx512bf16"))) static float avx512_bf16(int64_t rounds) {
  __m512 acc[kWideAccumulators];
#pragma GCC unroll 24
  for (__m512& each : acc) each = _mm512_setzero_ps();
  const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x34003400));  // bf16 pairs of 1.2e-7
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (__m512& each : acc) {
      each = _mm512_dpbf16_ps(each, x, x);
      asm volatile("" : "+v"(each));
    }
  }
  __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 24
  for (const __m512& each : acc) sum = _mm512_add_ps(sum, each);
  float lanes[16];
  _mm512_storeu_ps(lanes, sum);
  return lanes[0] + lanes[15];
}
#endif

}  // namespace fathom::peak
