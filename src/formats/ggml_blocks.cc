#include "formats/ggml_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/e2m1.h"
#include "formats/half.h"
#include "formats/ue8m0.h"

namespace fathom {
namespace {

constexpr int64_t kSmallBlock = 32;  // values of a Q8_0 or MXFP4 block; the others have 256

// Codebook of IQ2_XXS: eight 2-bit indices into {8, 25, 43} per entry, the first in the lowest bits.
// Data of ggml, Copyright (c) 2023 Georgi Gerganov, MIT licence (THIRD_PARTY.md).
// clang-format off
constexpr std::array<uint16_t, 256> kIq2XxsGrid = {
    0x0000, 0x0002, 0x0005, 0x0008, 0x000a, 0x0011, 0x0014, 0x0020, 0x0022, 0x0028, 0x002a, 0x0041,
    0x0044, 0x0050, 0x0058, 0x0061, 0x0064, 0x0080, 0x0082, 0x008a, 0x00a2, 0x0101, 0x0104, 0x0110,
    0x0115, 0x0140, 0x0184, 0x0198, 0x0200, 0x0202, 0x0222, 0x0282, 0x0401, 0x0404, 0x0410, 0x0421,
    0x0424, 0x0440, 0x0442, 0x0448, 0x0460, 0x0481, 0x0484, 0x0490, 0x04a4, 0x0500, 0x0502, 0x0508,
    0x0520, 0x0546, 0x0569, 0x0580, 0x0591, 0x0609, 0x0610, 0x0640, 0x0684, 0x06a4, 0x0800, 0x0805,
    0x0808, 0x0814, 0x0828, 0x0841, 0x0844, 0x0850, 0x0852, 0x0888, 0x0904, 0x0940, 0x0a02, 0x0a14,
    0x1001, 0x1004, 0x1010, 0x1021, 0x1040, 0x1060, 0x1084, 0x1090, 0x1095, 0x1100, 0x1108, 0x1120,
    0x1150, 0x115a, 0x1180, 0x1224, 0x1245, 0x1400, 0x1408, 0x1420, 0x1425, 0x1449, 0x1480, 0x1518,
    0x1562, 0x1600, 0x1616, 0x1801, 0x1804, 0x1810, 0x1840, 0x1881, 0x1900, 0x1905, 0x19a0, 0x1a51,
    0x2000, 0x2002, 0x200a, 0x2044, 0x2061, 0x2080, 0x2082, 0x2129, 0x2148, 0x2200, 0x2202, 0x2401,
    0x2404, 0x2410, 0x2440, 0x2456, 0x2500, 0x2541, 0x2564, 0x2690, 0x2808, 0x2820, 0x2894, 0x2a44,
    0x4001, 0x4004, 0x4010, 0x4018, 0x4021, 0x4024, 0x4040, 0x4048, 0x4056, 0x4060, 0x4081, 0x4084,
    0x4090, 0x4100, 0x4120, 0x4161, 0x4180, 0x4185, 0x4201, 0x4210, 0x4248, 0x4256, 0x4268, 0x4400,
    0x4408, 0x4420, 0x4480, 0x4499, 0x4512, 0x4524, 0x4600, 0x4801, 0x4804, 0x4810, 0x4840, 0x4845,
    0x4900, 0x4958, 0x4961, 0x4982, 0x4a45, 0x4a90, 0x5000, 0x5008, 0x5011, 0x5019, 0x5020, 0x5080,
    0x5088, 0x5104, 0x5142, 0x51a4, 0x5291, 0x5490, 0x5492, 0x550a, 0x5601, 0x5654, 0x5800, 0x5811,
    0x5819, 0x5864, 0x5940, 0x5a08, 0x6004, 0x6010, 0x6040, 0x6068, 0x6100, 0x6155, 0x6218, 0x6260,
    0x6400, 0x6405, 0x6510, 0x6512, 0x6584, 0x6842, 0x8000, 0x8002, 0x800a, 0x8041, 0x8082, 0x8104,
    0x8118, 0x8140, 0x8211, 0x8401, 0x8404, 0x8410, 0x8415, 0x8440, 0x8460, 0x8500, 0x8546, 0x8594,
    0x8609, 0x8640, 0x8660, 0x8802, 0x8904, 0x8a11, 0x9004, 0x9010, 0x9024, 0x9040, 0x90a1, 0x9116,
    0x9180, 0x9245, 0x9400, 0x9422, 0x9444, 0x9551, 0x9881, 0x9920, 0xa002, 0xa050, 0xa085, 0xa109,
    0xa200, 0xa418, 0xa850, 0xa904,
};
// clang-format on

double half_at(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return static_cast<double>(to_float(Half{bits}));
}

// Each decoder: one block at `block` to its 32 or 256 values.

// { half d; int8 q[32] }
template <class Real>
void decode_q8_0(const uint8_t* block, Real* out) {
  const double d = half_at(block);
  for (int i = 0; i < kSmallBlock; ++i) out[i] = static_cast<Real>(d * static_cast<int8_t>(block[2 + i]));
}

// { ue8m0 scale; uint8 q[16] }: value j in the low, value j + 16 in the high nibble of byte j
template <class Real>
void decode_mxfp4(const uint8_t* block, Real* out) {
  const double d = static_cast<double>(ue8m0_to_float(block[0]));
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<Real>(d * static_cast<double>(e2m1_to_float(block[1 + j])));
    out[j + 16] = static_cast<Real>(d * static_cast<double>(e2m1_to_float(block[1 + j] >> 4)));
  }
}

// { uint8 scales[16]; uint8 q[64]; half d, dmin }: 16 groups of 16 values d * (scale & 15) * q - dmin *
// (scale >> 4); each half of the block has 32 bytes, whose bit pairs 0, 2, 4, 6 are four runs of 32 values
template <class Real>
void decode_q2_k(const uint8_t* block, Real* out) {
  const uint8_t* q = block + 16;
  const double d = half_at(block + 80), dmin = half_at(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int scale = block[i / 16];
    const int value = (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    out[i] = static_cast<Real>(d * ((scale & 15) * value) - dmin * (scale >> 4));
  }
}

// { half d, dmin; uint8 scales[12]; uint8 q[128] }: 8 groups of 32 values d * scale * q - dmin * min; each
// run of 32 bytes has one group in its low and the next in its high nibbles; scales and mins have 6 bits
template <class Real>
void decode_q4_k(const uint8_t* block, Real* out) {
  const double d = half_at(block), dmin = half_at(block + 2);
  const uint8_t* packed = block + 4;
  const uint8_t* q = block + 16;
  for (int group = 0; group < 8; ++group) {
    int scale, min;
    if (group < 4) {
      scale = packed[group] & 63;
      min = packed[group + 4] & 63;
    } else {  // low four bits in the last four bytes, high two above the six of the first eight
      scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4);
      min = (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
    }
    for (int i = 0; i < 32; ++i) {
      const int value = (q[group / 2 * 32 + i] >> (group % 2 * 4)) & 15;
      out[group * 32 + i] = static_cast<Real>(d * (scale * value) - dmin * min);
    }
  }
}

// { half d; 8 groups of 32 values: uint8 entry[4]; uint32 with 4 x 7 sign bits and a 4-bit scale on top }
// value = d * (scale + 1/2) / 4 * magnitude of the entry, with its sign
template <class Real>
void decode_iq2_xxs(const uint8_t* block, Real* out) {
  const double d = half_at(block);
  for (int group = 0; group < 8; ++group) {
    const uint8_t* entries = block + 2 + group * 8;
    uint32_t bits;
    std::memcpy(&bits, entries + 4, sizeof bits);
    const double scale = d * (0.5 + (bits >> 28)) * 0.25;
    for (int k = 0; k < 4; ++k) {
      const auto magnitudes = iq2_xxs_grid(entries[k]);
      const int signs = iq2_xxs_signs((bits >> (7 * k)) & 127);
      for (int i = 0; i < 8; ++i) {
        const double value = scale * magnitudes[static_cast<size_t>(i)];
        *out++ = static_cast<Real>((signs >> i) & 1 ? -value : value);
      }
    }
  }
}

float finite_amax(const float* x, int64_t first) {
  float amax = 0;
  for (int64_t i = first; i < first + kSmallBlock; ++i) {
    if (!std::isfinite(x[i])) bad_input("column {}: expected a finite value, found {}", i, x[i]);
    amax = std::max(amax, std::abs(x[i]));
  }
  return amax;
}

// Nearest code by distance in float, the lowest index among equals: ggml's rule, unlike the ties to even of
// E2M1.
uint8_t nearest_mxfp4(float x, float scale) {
  uint8_t best = 0;
  float least = INFINITY;
  for (uint8_t code = 0; code < 16; ++code) {
    const float distance = std::abs(e2m1_to_float(code) * scale - x);
    if (distance < least) {
      least = distance;
      best = code;
    }
  }
  return best;
}

}  // namespace

bool is_ggml_block(DType dtype) {
  return dtype == DType::Q8_0 || dtype == DType::Q2_K || dtype == DType::Q4_K || dtype == DType::IQ2_XXS ||
         dtype == DType::MXFP4;
}

int64_t ggml_scale_bytes(DType dtype) {
  switch (dtype) {
    case DType::Q8_0:
    case DType::IQ2_XXS:
      return 2;
    case DType::Q2_K:
    case DType::Q4_K:
      return 4;  // d and dmin; the small ones are integers and always good
    case DType::MXFP4:
      return 1;
    default:
      fail(ErrorCode::internal, "ggml_scale_bytes: expected a ggml block type, found {}", name(dtype));
  }
}

int64_t bad_ggml_block(DType dtype, const std::byte* blocks, int64_t count) {
  const int64_t stride = block_bytes(dtype), halves = ggml_scale_bytes(dtype) / 2;
  const auto* block = reinterpret_cast<const uint8_t*>(blocks) + (dtype == DType::Q2_K ? 80 : 0);
  for (int64_t i = 0; i < count; ++i, block += stride) {
    bool good = halves > 0 || std::isfinite(ue8m0_to_float(block[0]));
    for (int64_t k = 0; k < halves; ++k) good = good && std::isfinite(half_at(block + 2 * k));
    if (!good) return i;
  }
  return -1;
}

std::array<uint8_t, 8> iq2_xxs_grid(uint8_t index) {
  constexpr uint8_t kMagnitudes[4] = {8, 25, 43, 0};  // index 3 does not occur
  std::array<uint8_t, 8> out{};
  for (size_t i = 0; i < 8; ++i) out[i] = kMagnitudes[(kIq2XxsGrid[index] >> (2 * i)) & 3];
  return out;
}

uint8_t iq2_xxs_signs(uint8_t seven_bits) {
  const int odd = std::popcount(static_cast<uint8_t>(seven_bits & 127)) & 1;
  return static_cast<uint8_t>((seven_bits & 127) | (odd << 7));
}

template <class Real>
void decode_ggml_row(DType dtype, const std::byte* row, int64_t cols, Real* out) {
  void (*decode)(const uint8_t*, Real*) = nullptr;
  switch (dtype) {
    case DType::Q8_0:
      decode = decode_q8_0<Real>;
      break;
    case DType::Q2_K:
      decode = decode_q2_k<Real>;
      break;
    case DType::Q4_K:
      decode = decode_q4_k<Real>;
      break;
    case DType::IQ2_XXS:
      decode = decode_iq2_xxs<Real>;
      break;
    case DType::MXFP4:
      decode = decode_mxfp4<Real>;
      break;
    default:
      fail(ErrorCode::internal, "decode_ggml_row: expected a ggml block type, found {}", name(dtype));
  }
  const int64_t values = block_values(dtype), bytes = block_bytes(dtype);
  FATHOM_CHECK(cols % values == 0);
  const auto* block = reinterpret_cast<const uint8_t*>(row);
  for (int64_t first = 0; first < cols; first += values, block += bytes) decode(block, out + first);
}
template void decode_ggml_row<float>(DType, const std::byte*, int64_t, float*);
template void decode_ggml_row<double>(DType, const std::byte*, int64_t, double*);

void encode_q8_0_row(const float* x, int64_t cols, std::byte* out) {
  FATHOM_CHECK(cols % kSmallBlock == 0);
  for (int64_t first = 0; first < cols; first += kSmallBlock, out += block_bytes(DType::Q8_0)) {
    const float d = finite_amax(x, first) / 127.0f;
    const Half stored = to_half(d);
    if (stored == to_half(INFINITY))
      bad_input("column {}: expected Q8_0 values below 8.3e6, found {}", first, d * 127);
    // A scale that half cannot hold makes the block zero, and 1 / d could be infinite.
    const float inverse = to_float(stored) == 0 ? 0.0f : 1.0f / d;
    std::memcpy(out, &stored.bits, sizeof stored.bits);
    for (int64_t i = 0; i < kSmallBlock; ++i) {
      out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[first + i] * inverse)));
    }
  }
}

void encode_mxfp4_row(const float* x, int64_t cols, std::byte* out) {
  FATHOM_CHECK(cols % kSmallBlock == 0);
  for (int64_t first = 0; first < cols; first += kSmallBlock, out += block_bytes(DType::MXFP4)) {
    const float amax = finite_amax(x, first);
    const auto byte = static_cast<uint8_t>(amax > 0 ? std::max(std::ilogb(amax) - 2 + 127, 0) : 0);
    const float scale = ue8m0_to_float(byte);
    out[0] = static_cast<std::byte>(byte);
    for (int64_t j = 0; j < 16; ++j) {
      const uint8_t low = nearest_mxfp4(x[first + j], scale);
      const uint8_t high = nearest_mxfp4(x[first + j + 16], scale);
      out[1 + j] = static_cast<std::byte>(pack_e2m1(low, high));
    }
  }
}

void fp4_row_to_mxfp4(const std::byte* packed, const std::byte* scales, int64_t cols, std::byte* out) {
  FATHOM_CHECK(cols % kSmallBlock == 0);
  const auto* source = reinterpret_cast<const uint8_t*>(packed);
  for (int64_t first = 0; first < cols; first += kSmallBlock, out += block_bytes(DType::MXFP4)) {
    out[0] = scales[first / kSmallBlock];
    for (int64_t j = 0; j < 16; ++j) {
      const uint8_t both = pack_e2m1(unpack_e2m1(source, first + j), unpack_e2m1(source, first + j + 16));
      out[1 + j] = static_cast<std::byte>(both);
    }
  }
}

void mxfp4_row_to_fp4(const std::byte* blocks, int64_t cols, std::byte* packed, std::byte* scales) {
  FATHOM_CHECK(cols % kSmallBlock == 0);
  for (int64_t first = 0; first < cols; first += kSmallBlock, blocks += block_bytes(DType::MXFP4)) {
    scales[first / kSmallBlock] = blocks[0];
    const auto code = [&](int64_t i) {  // of value i of the block
      const auto byte = std::to_integer<uint8_t>(blocks[1 + i % 16]);
      return static_cast<uint8_t>(i < 16 ? byte & 15 : byte >> 4);
    };
    for (int64_t i = 0; i < kSmallBlock; i += 2) {
      packed[(first + i) / 2] = static_cast<std::byte>(pack_e2m1(code(i), code(i + 1)));
    }
  }
}

}  // namespace fathom
