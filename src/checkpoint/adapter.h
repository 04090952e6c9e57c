#pragma once
/// LoRA adapters: a low-rank matrix beside each of a model's, in a folder as PEFT writes it
/// (adapter_config.json and adapter_model.safetensors). Source: arXiv 2106.09685;
/// github.com/huggingface/peft.
///
/// A tensor W [rows, cols] with A [rank, cols] and B [rows, rank] stands for W + alpha / rank * B A.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/tensor_names.h"

namespace fathom {

/// Which matrices an adapter has, and how large it is.
struct AdapterShape {
  int64_t rank = 0;  ///< 0: none
  double alpha = 16;
  /// PEFT's target_modules: a module has an adapter if its name is one of these or ends with ".", one of
  /// these ("wq_a", "attn.compressor.wkv", "layers.3.attn.wq_b"). Empty: every matrix of a block.
  std::vector<std::string> targets;

  float scale() const { return static_cast<float>(alpha / static_cast<double>(rank)); }
  /// Whether a matrix of this official name (".weight" included) is wanted: one that lies in a block.
  bool wants(std::string_view official_name) const;
};

/// One matrix of an adapter, borrowed.
struct AdapterMatrix {
  std::string name;  ///< official, of the matrix that it is beside: "layers.0.attn.wq_a.weight"
  int64_t rows = 0, cols = 0;
  const float* a = nullptr;  ///< [rank, cols]
  const float* b = nullptr;  ///< [rows, rank]
};

struct Adapter {
  AdapterShape shape;
  std::string base;  ///< what it was trained on, as its config names it; may be empty
  std::vector<AdapterMatrix> matrices;
  std::shared_ptr<const void> owner;  ///< of a and b
};

/// Reads an adapter's folder; tensor names as official modules or as transformers'. Throws Error naming file,
/// field or tensor: another kind of adapter (DoRA, own ranks for some modules, biases), a tensor without its
/// partner, shapes that do not fit, values that are not finite.
Adapter read_adapter(const std::filesystem::path& folder);

/// Writes one. With Naming::transformers the names are those of transformers' modules, for PEFT to load
/// beside its model, if each matrix is a module there (a routed expert and a draft block are none); else
/// official ones. Throws Error(io).
void write_adapter(const std::filesystem::path& folder, const Adapter& adapter,
                   Naming naming = Naming::official);

/// row [cols] += scale * (B A)[i], terms in order of rank: the one order that training, loading and
/// converting have, so that all give the same bits.
void add_low_rank(const AdapterMatrix& matrix, int64_t rank, float scale, int64_t i, float* row);

/// `base` with the adapter added to its matrices: those are BF16 in memory (F32 where the base's are), the
/// rest is the base's. Throws Error(bad_input) naming a matrix that the base does not have or that has
/// another shape.
std::shared_ptr<const Checkpoint> merge_adapter(std::shared_ptr<const Checkpoint> base,
                                                const Adapter& adapter, ThreadPool& pool);

}  // namespace fathom
