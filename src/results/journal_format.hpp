/// The bytes of a journal: framing, and records as CBOR. See journal.hpp for the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/trace.hpp"
#include "results/results.hpp"

namespace pipespec::results {

enum class RecordKind : char {
  attempt = 'A',     ///< {attempt, configuration_hash}: a launch began to write to this journal
  provenance = 'P',  ///< {attempt, configuration (YAML), …}
  sample = 'S',      ///< {attempt, sequence, …}
  trace = 'T',       ///< {attempt, sequence, stage, …}
  telemetry = 'M',   ///< {attempt, experiment, rank, …}
};

inline constexpr std::string_view journal_magic = "PSJRNL01";

/// Appends the frame of one record.
void append_frame(std::string& out, RecordKind kind, const nlohmann::json& record);

/// Calls `visit` with every valid record of a journal's bytes, in order, up to the first that is cut short or damaged.
/// Returns the length of the valid part; 0 if not even the magic is there.
std::size_t scan_frames(
    std::string_view bytes, const std::function<void(RecordKind, std::string_view cbor)>& visit = [](auto, auto) {});

/// The content of a journal file. Failure if it cannot be read.
std::string read_bytes(const std::filesystem::path& file);

/// A record of scan_frames. Failure if it is not CBOR (another version of the program wrote it).
nlohmann::json parse_record(std::string_view cbor);

nlohmann::json to_record(const SampleRecord& sample);
nlohmann::json to_record(const StageTrace& trace);
nlohmann::json to_record(const Provenance& provenance);
nlohmann::json to_record(const TelemetryRecord& telemetry);

/// The inverse of to_record. nlohmann::json::exception if a key is missing or of another type.
SampleRecord sample_of(const nlohmann::json& record);
StageTrace trace_of(const nlohmann::json& record, SequenceId sequence);
Provenance provenance_of(const nlohmann::json& record);
TelemetryRecord telemetry_of(const nlohmann::json& record);

}  // namespace pipespec::results
