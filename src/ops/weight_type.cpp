#include "ops/weight_type.hpp"

#include "core/error.hpp"

namespace pipespec::ops {

BlockFormat block_format(WeightType type) {
  switch (type) {
    case WeightType::f32:
      return {1, 4};
    case WeightType::f16:
      return {1, 2};
    case WeightType::bf16:
      return {1, 2};
    case WeightType::q8_0:
      return {32, 34};
    case WeightType::q4_0:
      return {32, 18};
    case WeightType::q4_1:
      return {32, 20};
    case WeightType::q5_0:
      return {32, 22};
    case WeightType::q5_1:
      return {32, 24};
    case WeightType::q2_k:
      return {256, 84};
    case WeightType::q3_k:
      return {256, 110};
    case WeightType::q4_k:
      return {256, 144};
    case WeightType::q5_k:
      return {256, 176};
    case WeightType::q6_k:
      return {256, 210};
  }
  throw ContractError("unknown weight type");
}

std::string_view to_string(WeightType type) {
  switch (type) {
    case WeightType::f32:
      return "f32";
    case WeightType::f16:
      return "f16";
    case WeightType::bf16:
      return "bf16";
    case WeightType::q8_0:
      return "q8_0";
    case WeightType::q4_0:
      return "q4_0";
    case WeightType::q4_1:
      return "q4_1";
    case WeightType::q5_0:
      return "q5_0";
    case WeightType::q5_1:
      return "q5_1";
    case WeightType::q2_k:
      return "q2_k";
    case WeightType::q3_k:
      return "q3_k";
    case WeightType::q4_k:
      return "q4_k";
    case WeightType::q5_k:
      return "q5_k";
    case WeightType::q6_k:
      return "q6_k";
  }
  throw ContractError("unknown weight type");
}

std::int64_t row_bytes(WeightType type, std::int64_t cols) {
  const BlockFormat format = block_format(type);
  expect(cols >= 0 && cols % format.length == 0, "a row holds whole blocks");
  return cols / format.length * format.bytes;
}

}  // namespace pipespec::ops
