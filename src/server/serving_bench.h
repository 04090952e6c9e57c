#pragma once
/// fathom bench serving: answers through the scheduler and over HTTP, beside the same work done by the
/// engine's own steps.

#include "engine/bench/bench.h"

namespace fathom {

/// 16 answers at once, from prompt to last token, in turn by the engine's steps alone, through the scheduler,
/// and from a server in this process over loopback, streamed and not. Each figure's limit is the engine's of
/// the same run; besides wall time, CPU time for each token. Throws Error.
bench::Report serving_bench(const bench::Options& options);

}  // namespace fathom
