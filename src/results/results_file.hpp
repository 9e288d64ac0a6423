/// DIR/results.h5: the results in the schema of README.md beside this file, made for analysis with h5py alone.
#pragma once

#include <filesystem>

#include "results/results.hpp"

namespace pipespec::results {

/// Everything the journals of an output directory hold. UserError if there is no journal.
Results read_journals(const std::filesystem::path& directory);

/// Writes `results` to `file`: built aside, flushed, synced, renamed. Failure (full disk, say) leaves an old file as it
/// was.
void write_results_file(const std::filesystem::path& file, const Results& results);

/// Reads a file that write_results_file wrote. UserError if it is missing, damaged or of another schema version.
Results read_results_file(const std::filesystem::path& file);

/// The results at `path`: an output directory (finished or cut off), or a results file on its own.
Results read_results(const std::filesystem::path& path);

}  // namespace pipespec::results
