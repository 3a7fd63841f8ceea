// The table of the scalar kernels.
#include "kernels.h"
#include "unpack_scalar.h"

gemm_fn gemm_group32_scalar, gemm_group16_scalar;
float_gemm_fn float_gemm_scalar;
attention_fn attention_scalar;
ROW_FUNCTIONS(scalar)

const struct kernel_table *kernels_scalar(void) {
  static const struct kernel_table table = {
      .name = "scalar",
      .unpack =
          {
              [ENC_Q4_0] = unpack_q4_0_scalar,
              [ENC_Q4_1] = unpack_q4_1_scalar,
              [ENC_Q5_0] = unpack_q5_0_scalar,
              [ENC_Q5_1] = unpack_q5_1_scalar,
              [ENC_Q8_0] = unpack_q8_0_scalar,
              [ENC_Q2_K] = unpack_q2_k_scalar,
              [ENC_Q3_K] = unpack_q3_k_scalar,
              [ENC_Q4_K] = unpack_q4_k_scalar,
              [ENC_Q5_K] = unpack_q5_k_scalar,
              [ENC_Q6_K] = unpack_q6_k_scalar,
              [ENC_IQ4_NL] = unpack_iq4_nl_scalar,
              [ENC_IQ4_XS] = unpack_iq4_xs_scalar,
          },
      .float_unpack =
          {
              [ENC_F32] = unpack_f32_scalar,
              [ENC_F16] = unpack_f16_scalar,
              [ENC_BF16] = unpack_bf16_scalar,
          },
      .gemm_group32 = gemm_group32_scalar,
      .gemm_group16 = gemm_group16_scalar,
      .gemm_round = gemm_group32_scalar,
      .round_shift = 7,
      .float_gemm = float_gemm_scalar,
      .attention = attention_scalar,
      ROW_TABLE(scalar),
  };
  return &table;
}
