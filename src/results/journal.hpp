/// The journal: what one rank has to keep, appended so that nothing that was committed is ever lost.
///
/// Each rank owns one file and writes to no other. The file is `magic, record, record, …`; a record is framed as
///
///     u32 length of the payload (> 0), u32 CRC-32 of (length, payload), payload
///
/// little endian, and a payload is one byte that names the kind, followed by CBOR. A process may die at any moment: a
/// record that is cut short or whose CRC is wrong ends the valid part of the file, and the next launch drops it.
///
/// A sample is complete when its record is in the journal of the target's leader. What the stages did for it is in
/// their own journals under the same (attempt, replica, sequence); traces of sequences that were never completed are
/// ignored. So a sample that is decoded again after a kill appears once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/trace.hpp"
#include "results/file_handle.hpp"
#include "results/results.hpp"

namespace pipespec::results {

/// The append end of one rank's journal. Not thread-safe: one writer.
class Journal {
 public:
  /// Opens or makes the journal of `rank`, which belongs to pipeline `replica`, drops a torn tail, and begins
  /// `attempt`. UserError if another process is writing to it or it is not a journal; Failure if the disk refuses.
  Journal(const std::filesystem::path& directory, int rank, std::int32_t attempt, std::string_view configuration_hash,
          std::int32_t replica = 0);

  /// Of the attempt as a whole, with the configuration it runs; written by one rank.
  void add(const Provenance& provenance, const config::RunConfig& config);

  /// A completed sample; written by the leader of the target's ranks.
  void add(const SampleRecord& sample, SequenceId sequence);

  /// What one stage did for one sequence; written by the leader of the stage's ranks.
  void add(const StageTrace& trace, SequenceId sequence);

  /// What one rank took in one experiment of this attempt; written by one rank for all.
  void add(TelemetryRecord telemetry);

  /// Waits until everything added is on the disk. Failure with the system's reason (a full disk, say); what was
  /// committed before stays valid.
  void commit();

 private:
  std::filesystem::path path_;
  FileHandle file_;
  std::int32_t attempt_;
  std::int32_t replica_;
  std::string pending_;      ///< framed records not yet written
  std::int64_t length_ = 0;  ///< of the valid part of the file
};

}  // namespace pipespec::results
