// Template: the table of an x86-64 instruction set of 512 bits. They differ in
// their products of panels: INTEGER makes the names of those, INTEGER_NAME is the
// set's, ROUND the product of rounded floats and ROUND_SHIFT their offset.
#include "kernels.h"
#include "unpack_scalar.h"

unpack_fn unpack_q4_0_avx512vnni, unpack_q4_1_avx512vnni, unpack_q5_0_avx512vnni, unpack_q5_1_avx512vnni, unpack_q8_0_avx512vnni,
    unpack_q4_k_avx512vnni, unpack_q5_k_avx512vnni, unpack_q6_k_avx512vnni, unpack_iq4_nl_avx512vnni;
unpack_fn unpack_packed_q4_0_avx512vnni, unpack_packed_q4_1_avx512vnni, unpack_packed_q5_0_avx512vnni, unpack_packed_q5_1_avx512vnni, unpack_packed_q8_0_avx512vnni,
    unpack_packed_q4_k_avx512vnni, unpack_packed_q5_k_avx512vnni, unpack_packed_q6_k_avx512vnni, unpack_packed_iq4_nl_avx512vnni;
float_unpack_fn unpack_f32_avx512vnni, unpack_f16_avx512vnni, unpack_bf16_avx512vnni;
few_fn few_q4_0_avx512vnni, few_q4_1_avx512vnni, few_q5_0_avx512vnni, few_q5_1_avx512vnni, few_q8_0_avx512vnni,
    few_q4_k_avx512vnni, few_q5_k_avx512vnni, few_q6_k_avx512vnni, few_iq4_nl_avx512vnni;
few_fn few_packed_q4_0_avx512vnni, few_packed_q4_1_avx512vnni, few_packed_q5_0_avx512vnni, few_packed_q5_1_avx512vnni, few_packed_q8_0_avx512vnni,
    few_packed_q4_k_avx512vnni, few_packed_q5_k_avx512vnni, few_packed_q6_k_avx512vnni, few_packed_iq4_nl_avx512vnni;
one_fn one_q6_k_avx512vnni;
gemm_fn INTEGER(gemm_group32), INTEGER(gemm_group16), ROUND;
float_gemm_fn float_gemm_avx512vnni;
attention_fn attention_avx512vnni;
ROW_FUNCTIONS(avx512vnni)

// EACH_FAST lists the functions of a kind for the encodings that have them.
#define EACH_FAST(kind)                                                                             \
  {                                                                                                 \
    [ENC_Q4_0] = kind##_q4_0_avx512vnni, [ENC_Q4_1] = kind##_q4_1_avx512vnni,                       \
    [ENC_Q5_0] = kind##_q5_0_avx512vnni, [ENC_Q5_1] = kind##_q5_1_avx512vnni,                       \
    [ENC_Q8_0] = kind##_q8_0_avx512vnni, [ENC_IQ4_NL] = kind##_iq4_nl_avx512vnni,                   \
    [ENC_Q4_K] = kind##_q4_k_avx512vnni, [ENC_Q5_K] = kind##_q5_k_avx512vnni,                       \
    [ENC_Q6_K] = kind##_q6_k_avx512vnni,                                                            \
  }

const struct kernel_table *INTEGER(kernels)(void) {
  static const struct kernel_table table = {
      .name = INTEGER_NAME,
      .unpack =
          {
              [ENC_Q4_0] = unpack_q4_0_avx512vnni,
              [ENC_Q4_1] = unpack_q4_1_avx512vnni,
              [ENC_Q5_0] = unpack_q5_0_avx512vnni,
              [ENC_Q5_1] = unpack_q5_1_avx512vnni,
              [ENC_Q8_0] = unpack_q8_0_avx512vnni,
              [ENC_Q2_K] = unpack_q2_k_scalar,
              [ENC_Q3_K] = unpack_q3_k_scalar,
              [ENC_Q4_K] = unpack_q4_k_avx512vnni,
              [ENC_Q5_K] = unpack_q5_k_avx512vnni,
              [ENC_Q6_K] = unpack_q6_k_avx512vnni,
              [ENC_IQ4_NL] = unpack_iq4_nl_avx512vnni,
              [ENC_IQ4_XS] = unpack_iq4_xs_scalar,
          },
      .unpack_packed = EACH_FAST(unpack_packed),
      .float_unpack =
          {
              [ENC_F32] = unpack_f32_avx512vnni,
              [ENC_F16] = unpack_f16_avx512vnni,
              [ENC_BF16] = unpack_bf16_avx512vnni,
          },
      .one = {[ENC_Q6_K] = one_q6_k_avx512vnni},
      .few = EACH_FAST(few),
      .few_packed = EACH_FAST(few_packed),
      .gemm_group32 = INTEGER(gemm_group32),
      .gemm_group16 = INTEGER(gemm_group16),
      .gemm_round = ROUND,
      .round_shift = ROUND_SHIFT,
      .float_gemm = float_gemm_avx512vnni,
      .attention = attention_avx512vnni,
      ROW_TABLE(avx512vnni),
  };
  return &table;
}
