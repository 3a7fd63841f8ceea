// The unpacking functions in plain C, for the tables of every instruction set.
#ifndef SENSED_UNPACK_SCALAR_H
#define SENSED_UNPACK_SCALAR_H

#include "kernels.h"

unpack_fn unpack_q4_0_scalar, unpack_q4_1_scalar, unpack_q5_0_scalar, unpack_q5_1_scalar, unpack_q8_0_scalar, unpack_q2_k_scalar,
    unpack_q3_k_scalar, unpack_q4_k_scalar, unpack_q5_k_scalar, unpack_q6_k_scalar, unpack_iq4_nl_scalar, unpack_iq4_xs_scalar;
float_unpack_fn unpack_f32_scalar, unpack_f16_scalar, unpack_bf16_scalar;

#endif
