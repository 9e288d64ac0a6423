/// The formats of weights and KV caches as the command line names them.
#pragma once

#include <optional>
#include <string>

#include "core/error.hpp"
#include "model/weights.hpp"
#include "ops/attention.hpp"

namespace pipespec::app {

inline model::WeightFormat weight_format_from_name(const std::string& name) {
  if (name == "native") return model::WeightFormat::native;
  if (name == "bf16") return model::WeightFormat::bf16;
  if (name == "f32") return model::WeightFormat::f32;
  if (name == "int8") return model::WeightFormat::int8;
  if (name == "int4") return model::WeightFormat::int4;
  reject("--weights {} (unknown): native, bf16, f32, int8 or int4", name);
}

inline std::optional<ops::KvType> kv_type_from_name(const std::string& name) {
  if (name == "auto") return std::nullopt;
  if (name == "int8") return ops::KvType::int8;
  if (name == "f16") return ops::KvType::f16;
  if (name == "f32") return ops::KvType::f32;
  reject("--kv-cache {} (unknown): auto, int8, f16 or f32", name);
}

}  // namespace pipespec::app
