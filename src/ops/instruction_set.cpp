#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/instruction_set.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "ops/instruction_set.hpp"

#include <algorithm>

#include "core/error.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// What the dispatch of this moment leads to.
std::int64_t compiled_target() {
  return HWY_TARGET;
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(compiled_target);

namespace {

/// Of this build and this machine, less those disabled. Highway's function chooses for later calls as a side effect,
/// and in version 1.0.3 the disabled ones too, so the choice is made anew.
std::int64_t supported_targets() {
  const std::int64_t targets = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(targets);
  return targets;
}

/// Best first (Highway numbers better targets lower). The scalar one is always there.
std::vector<std::int64_t> available_targets() {
  std::vector<std::int64_t> targets;
  const std::int64_t usable = (supported_targets() | HWY_STATIC_TARGET) & HWY_TARGETS;
  for (int bit = 0; bit < 63; ++bit)
    if ((usable >> bit & 1) != 0) targets.push_back(std::int64_t{1} << bit);
  return targets;
}

}  // namespace

std::vector<std::string> available_instruction_sets() {
  std::vector<std::string> names;
  for (const std::int64_t target : available_targets()) names.emplace_back(hwy::TargetName(target));
  return names;
}

std::string instruction_set() {
  const std::int64_t target = HWY_DYNAMIC_DISPATCH(compiled_target)();
  const std::string name = hwy::TargetName(target);
  switch (target) {
    case HWY_AVX3_DL:
      return name + " (512 bit, VNNI)";
    case HWY_AVX3:
      return name + " (512 bit)";
    case HWY_AVX2:
      return name + " (256 bit)";
    case HWY_SCALAR:
      return name + " (no vectors)";
    default:
      return name;
  }
}

InstructionSetGuard::InstructionSetGuard(std::string_view name) {
  const auto targets = available_targets();
  const auto chosen = std::find_if(targets.begin(), targets.end(),
                                   [&](std::int64_t target) { return name == hwy::TargetName(target); });
  expect(chosen != targets.end(), "the instruction set is available");
  hwy::DisableTargets(*chosen - 1);  // all that are better
}

InstructionSetGuard::~InstructionSetGuard() {
  hwy::DisableTargets(0);
}

}  // namespace pipespec::ops
#endif
