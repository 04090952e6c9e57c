#pragma once
/// What pins a model's behaviour to the bit: a hash of logits and of a greedy continuation, for each target
/// and numerics mode. tests/signature.txt holds those of the models under models/; commits that change it say
/// why.

#include <string>
#include <vector>

#include "kernels/target.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace fathom {

struct Signature {
  Target target;
  Numerics::Mode mode;
  std::string hash;  ///< 16 hexadecimal digits
  bool operator==(const Signature&) const = default;
};

/// XXH3 of the logits' bits at every position of a fixed prompt, and of 256 greedy tokens after it.
Signature signature(const Model& model, const Tokenizer& tokenizer, Target target, const Numerics& numerics);
/// Of every target this CPU offers, in each of exact, release and fast.
std::vector<Signature> signatures(const Model& model, const Tokenizer& tokenizer);
/// "avx2 exact 0123456789abcdef\n"
std::string signature_line(const Signature& signature);

}  // namespace fathom
