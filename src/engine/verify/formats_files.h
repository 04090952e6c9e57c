#pragma once
/// The files of golden/formats that hold weights.

#include <string>

#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"

namespace fathom::verify {

/// weights.safetensors: FP8 and FP4 matrices and their values, FP4 converted to FP8.
void check_weights(Checks& checks, const ExpectedFile& e);
/// gguf_quants.safetensors: blocks of the ggml types that fathom reads.
void check_ggml_blocks(Checks& checks, const ExpectedFile& e);
/// fp8_gemm or fp4_gemm.safetensors: release and exact products by the model's own kernels.
void check_products(Checks& checks, const ExpectedFile& e, const std::string& file);

}  // namespace fathom::verify
