/// The command line.
#pragma once

namespace pipespec::app {

/// Parses the arguments and runs the command they name; returns the exit status. Errors of the command leave as
/// exceptions, those of the command line itself are printed.
int run_command_line(int argc, char** argv);

}  // namespace pipespec::app
