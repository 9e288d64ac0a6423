/// What the program tells the shell and the batch system.
#pragma once

namespace pipespec::app {

inline constexpr int exit_done = 0;
inline constexpr int exit_failure = 1;         ///< message on stderr, other ranks ended
inline constexpr int exit_wrong_request = 2;   ///< bad arguments, configuration or file
inline constexpr int exit_stopped_early = 75;  ///< run the same command to go on (EX_TEMPFAIL of sysexits.h)

}  // namespace pipespec::app
