#include "results/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"
#include "core/log.hpp"
#include "results/journal_format.hpp"
#include "results/output_directory.hpp"

namespace pipespec::results {
namespace {

/// Nothing was committed yet: an empty file, a part of the magic, or zeros that a crash of the machine left.
bool is_unborn(std::string_view bytes) {
  return journal_magic.starts_with(bytes) || std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

/// Length of the part of a journal that the next record is written after; whatever follows is a record that a dying
/// process did not finish.
std::size_t valid_length(const std::filesystem::path& path) {
  const std::string bytes = read_bytes(path);
  const std::size_t valid = scan_frames(bytes);
  validate(valid > 0 || is_unborn(bytes),
           "{}: not a journal (it begins with something else): remove it, or choose another output", path.string());
  if (valid < bytes.size())
    log::debug("{}: the last {} bytes were not committed and are dropped", path.string(), bytes.size() - valid);
  return valid;
}

}  // namespace

Journal::Journal(const std::filesystem::path& directory, int rank, std::int32_t attempt,
                 std::string_view configuration_hash, std::int32_t replica)
    : path_(journal_path(directory, rank)),
      file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)),
      attempt_(attempt),
      replica_(replica) {
  validate(file_.is_open(), "{}: cannot be written ({}): choose another output", path_.string(), std::strerror(errno));
  validate(try_lock(file_, path_),
           "{}: another process writes to it (is the job still running?): wait for it, or end it", path_.string());
  length_ = static_cast<std::int64_t>(valid_length(path_));
  if (::ftruncate(file_.get(), length_) != 0 || ::lseek(file_.get(), length_, SEEK_SET) < 0)
    throw Failure(fmt::format("{}: cannot be written ({})", path_.string(), std::strerror(errno)));
  if (length_ == 0) pending_ = journal_magic;
  append_frame(pending_, RecordKind::attempt, {{"attempt", attempt_}, {"configuration_hash", configuration_hash}});
  commit();
  sync_directory(path_.parent_path());
}

void Journal::add(const Provenance& provenance, const config::RunConfig& config) {
  nlohmann::json record = to_record(provenance);
  record["attempt"] = attempt_;
  record["configuration"] = config::to_yaml(config);
  append_frame(pending_, RecordKind::provenance, record);
}

void Journal::add(const SampleRecord& sample, SequenceId sequence) {
  nlohmann::json record = to_record(sample);
  record["attempt"] = attempt_;
  record["replica"] = replica_;
  record["sequence"] = sequence.value;
  append_frame(pending_, RecordKind::sample, record);
}

void Journal::add(const StageTrace& trace, SequenceId sequence) {
  nlohmann::json record = to_record(trace);
  record["attempt"] = attempt_;
  record["replica"] = replica_;
  record["sequence"] = sequence.value;
  append_frame(pending_, RecordKind::trace, record);
}

void Journal::add(TelemetryRecord telemetry) {
  telemetry.attempt = attempt_;
  append_frame(pending_, RecordKind::telemetry, to_record(telemetry));
}

void Journal::commit() {
  if (pending_.empty()) return;
  if (!write_all(file_, pending_) || ::fdatasync(file_.get()) != 0) {
    const int reason = errno;
    // A part of a record must not stay in front of later ones; the next launch would drop it anyway.
    if (::ftruncate(file_.get(), length_) != 0 || ::lseek(file_.get(), length_, SEEK_SET) < 0)
      log::warn("{}: a torn record stays at the end", path_.string());
    throw Failure(
        fmt::format("{}: cannot be written ({}): what was committed before is safe; make room and run the same "
                    "command to go on",
                    path_.string(), std::strerror(reason)));
  }
  length_ += static_cast<std::int64_t>(pending_.size());
  pending_.clear();
}

}  // namespace pipespec::results
