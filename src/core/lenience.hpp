/// Who may overrule whom below the target, whose word alone is final.
#pragma once

#include <cstdint>

namespace pipespec {

/// What a stage does where it would go on otherwise than a draft of the stage below.
enum class Lenience : std::uint8_t {
  strict,    ///< its own token stands
  trust,     ///< the draft stands; in the pipeline it is passed on at once
  adaptive,  ///< one or the other, whichever the target has lately confirmed more often
};

}  // namespace pipespec
