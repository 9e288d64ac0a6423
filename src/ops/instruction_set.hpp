/// The vector instructions that the operations use on this machine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pipespec::ops {

/// The instruction set in use, as results record it: "AVX3_DL (512 bit, VNNI)", "AVX2 (256 bit)", ….
std::string instruction_set();

/// Highway's names of the instruction sets that this build and this machine have, best first: {"AVX3_DL", "AVX3",
/// "AVX2", …}. The last one works on every machine.
std::vector<std::string> available_instruction_sets();

/// While it lives, operations use no better instruction set than the one named. For tests and benchmarks: process-wide,
/// so no operation may run while one is made or ends.
class InstructionSetGuard {
 public:
  explicit InstructionSetGuard(std::string_view name);
  ~InstructionSetGuard();
  InstructionSetGuard(const InstructionSetGuard&) = delete;
  InstructionSetGuard& operator=(const InstructionSetGuard&) = delete;
};

}  // namespace pipespec::ops
