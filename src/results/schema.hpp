/// Names and version of the HDF5 schema, for its writer and its reader. README.md of this folder describes it.
#pragma once

#include <array>
#include <cstdint>

namespace pipespec::results::schema {

inline constexpr const char* filetype = "pipespec results";

/// A reader of version {a, b} reads every {a, *}: the second number grows with additions, the first with anything else.
inline constexpr std::array<std::int64_t, 2> version{1, 3};

}  // namespace pipespec::results::schema
