// Template: the table of an x86-64 instruction set of 256 bits. They differ in
// their integer products only: INTEGER makes the names of those and INTEGER_NAME
// is the set's.
#include "kernels.h"
#include "unpack_scalar.h"

unpack_fn unpack_q4_0_avx2, unpack_q4_1_avx2, unpack_q5_0_avx2, unpack_q5_1_avx2, unpack_q8_0_avx2,
    unpack_q4_k_avx2, unpack_q5_k_avx2, unpack_q6_k_avx2, unpack_iq4_nl_avx2, unpack_iq4_xs_avx2;
unpack_fn unpack_packed_q4_0_avx2, unpack_packed_q4_1_avx2, unpack_packed_q5_0_avx2, unpack_packed_q5_1_avx2, unpack_packed_q8_0_avx2,
    unpack_packed_q4_k_avx2, unpack_packed_q5_k_avx2, unpack_packed_q6_k_avx2, unpack_packed_iq4_nl_avx2;
float_unpack_fn unpack_f16_avx2;
gemm_fn INTEGER(gemm_group32), INTEGER(gemm_group16), INTEGER(gemm_signed32);
float_gemm_fn float_gemm_avx2;
attention_fn attention_avx2;
ROW_FUNCTIONS(avx2)

const struct kernel_table *INTEGER(kernels)(void) {
  static const struct kernel_table table = {
      .name = INTEGER_NAME,
      .unpack =
          {
              [ENC_Q4_0] = unpack_q4_0_avx2,
              [ENC_Q4_1] = unpack_q4_1_avx2,
              [ENC_Q5_0] = unpack_q5_0_avx2,
              [ENC_Q5_1] = unpack_q5_1_avx2,
              [ENC_Q8_0] = unpack_q8_0_avx2,
              [ENC_Q2_K] = unpack_q2_k_scalar,
              [ENC_Q3_K] = unpack_q3_k_scalar,
              [ENC_Q4_K] = unpack_q4_k_avx2,
              [ENC_Q5_K] = unpack_q5_k_avx2,
              [ENC_Q6_K] = unpack_q6_k_avx2,
              [ENC_IQ4_NL] = unpack_iq4_nl_avx2,
              [ENC_IQ4_XS] = unpack_iq4_xs_avx2,
          },
      .unpack_packed =
          {
              [ENC_Q4_0] = unpack_packed_q4_0_avx2,
              [ENC_Q4_1] = unpack_packed_q4_1_avx2,
              [ENC_Q5_0] = unpack_packed_q5_0_avx2,
              [ENC_Q5_1] = unpack_packed_q5_1_avx2,
              [ENC_Q8_0] = unpack_packed_q8_0_avx2,
              [ENC_Q4_K] = unpack_packed_q4_k_avx2,
              [ENC_Q5_K] = unpack_packed_q5_k_avx2,
              [ENC_Q6_K] = unpack_packed_q6_k_avx2,
              [ENC_IQ4_NL] = unpack_packed_iq4_nl_avx2,
          },
      .float_unpack =
          {
              [ENC_F32] = unpack_f32_scalar,
              [ENC_F16] = unpack_f16_avx2,
              [ENC_BF16] = unpack_bf16_scalar,
          },
      .gemm_group32 = INTEGER(gemm_group32),
      .gemm_group16 = INTEGER(gemm_group16),
      .gemm_signed32 = INTEGER(gemm_signed32),
      .signed_encodings = 1ull << ENC_Q8_0 | 1ull << ENC_IQ4_NL | 1ull << ENC_IQ4_XS,
      .gemm_round = INTEGER(gemm_signed32),
      .float_gemm = float_gemm_avx2,
      .attention = attention_avx2,
      ROW_TABLE(avx2),
  };
  return &table;
}
