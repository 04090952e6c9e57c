#pragma once
/// Names of tensors: the official ones that fathom uses, and what each kind of file calls them.
/// Source: architecture.md section 9 (table, aliases, skipping rules), section 8 (DSpark drafter).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

/// In order of how specific they are: a file that shows marks of several has the last of them.
enum class Naming : uint8_t { official, hybrid, transformers, gguf };
std::string_view name(Naming naming);

/// What a stored tensor is.
enum class NameForm : uint8_t {
  whole,            ///< the tensor `official`
  experts_gate_up,  ///< [E, 2I, D]: expert e's w1 is rows 0..I-1 of slice e, w3 the rest
  experts_stack,    ///< [E, rows, cols]: slice e is expert e's matrix
  columns_e_h,      ///< [D, 2D]: e_proj in the left half of the columns, h_proj in the right
  copy,             ///< of a main tensor under mtp.: not read (the official converter's rule)
  unknown,
};

struct StoredName {
  NameForm form = NameForm::unknown;
  /// whole: the official name. experts_*: that of the expert's w1 or w2 (w3) with '#' for its number.
  /// columns_e_h: that of e_proj.
  std::string official;
  Naming naming = Naming::official;  ///< the least specific naming that has this name
};

/// Meaning of a name in a safetensors file: the three namings, an optional model. prefix, self_attn for attn,
/// mlp for ffn, e_score_correction_bias for bias, .scale or .weight_scale_inv for scales.
StoredName parse_stored_name(std::string_view stored);

/// Meaning of a name in a GGUF file whose main model has `num_hidden_layers` blocks; later blocks are draft
/// layers.
StoredName parse_gguf_name(std::string_view stored, int64_t num_hidden_layers);

/// The name under which `naming` stores an official tensor, or nothing if it has no place for it (draft
/// layers in transformers and hybrid, scales in GGUF). Several official tensors may share one stored tensor
/// (see NameForm).
std::optional<std::string> stored_name(std::string_view official, Naming naming, int64_t num_hidden_layers);

/// `pattern` with its '#' replaced by `expert`.
std::string expert_name(std::string_view pattern, int64_t expert);

/// Every official name of one main layer, or of a draft block (e_proj and so on included), below its prefix;
/// experts with '#'. For tests and for reports of what is missing.
std::vector<std::string> official_leaves(bool draft);

/// Whether an official name can belong to a DSpark drafter alone (main_proj, main_norm, markov_head,
/// confidence_head).
bool is_dspark_only(std::string_view official);

}  // namespace fathom
