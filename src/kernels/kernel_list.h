// The list of kernels, an X-macro: FATHOM_KERNEL_ROW(name, function type template). One list drives the table
// (kernels.h), its filling per target and the test that runs every kernel on every target. No include guard:
// it is included once per use. linear_bf16, its backward products and to_bf16 exist for float only and stand
// apart in kernels.h.
// clang-format off
FATHOM_KERNEL_ROW(linear, Linear)
FATHOM_KERNEL_ROW(linear_dx, LinearDx)
FATHOM_KERNEL_ROW(linear_dw, LinearDw)
FATHOM_KERNEL_ROW(rms_norm, RmsNorm)
FATHOM_KERNEL_ROW(rms_norm_backward, RmsNormBackward)
FATHOM_KERNEL_ROW(rope, Rope)
FATHOM_KERNEL_ROW(hc_mix, HcMix)
FATHOM_KERNEL_ROW(hc_collapse, HcCollapse)
FATHOM_KERNEL_ROW(hc_apply, HcApply)
FATHOM_KERNEL_ROW(swiglu, Swiglu)
FATHOM_KERNEL_ROW(sqrt_softplus, SqrtSoftplus)
FATHOM_KERNEL_ROW(attention, Attention)
FATHOM_KERNEL_ROW(attention_backward, AttentionBackward)
FATHOM_KERNEL_ROW(attention_mass, AttentionMass)
FATHOM_KERNEL_ROW(pool_window, PoolWindow)
FATHOM_KERNEL_ROW(pool_window_backward, PoolWindowBackward)
FATHOM_KERNEL_ROW(indexer_scores, IndexerScores)
FATHOM_KERNEL_ROW(indexer_scores_backward, IndexerScoresBackward)
FATHOM_KERNEL_ROW(indexer_kl, IndexerKl)
FATHOM_KERNEL_ROW(top_k, TopK)
FATHOM_KERNEL_ROW(quantise_fp8, QuantiseFp8)
FATHOM_KERNEL_ROW(hadamard_fp4, HadamardFp4)
FATHOM_KERNEL_ROW(newton_schulz, NewtonSchulz)
FATHOM_KERNEL_ROW(adamw, Adamw)
// clang-format on
