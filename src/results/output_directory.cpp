#include "results/output_directory.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "results/journal_format.hpp"

namespace pipespec::results {
namespace {

namespace fs = std::filesystem;

/// What earlier launches left in the journals of a directory.
struct History {
  std::int32_t attempts = 0;
  std::set<SampleKey> completed;
  std::set<std::string> configuration_hashes;
  std::vector<Inputs> inputs;
};

void read_record(History& history, RecordKind kind, std::string_view cbor) {
  if (kind == RecordKind::trace || kind == RecordKind::telemetry) return;
  const nlohmann::json record = parse_record(cbor);
  if (kind == RecordKind::attempt) {
    history.attempts = std::max(history.attempts, record.at("attempt").get<std::int32_t>() + 1);
    history.configuration_hashes.insert(record.at("configuration_hash").get<std::string>());
  } else if (kind == RecordKind::provenance) {
    history.inputs.push_back(provenance_of(record).inputs);
  } else {
    history.completed.insert(key_of(sample_of(record)));
  }
}

History read_history(const fs::path& directory) {
  History history;
  for (const fs::path& journal : journal_paths(directory)) {
    try {
      scan_frames(read_bytes(journal),
                  [&](RecordKind kind, std::string_view cbor) { read_record(history, kind, cbor); });
    } catch (const nlohmann::json::exception& error) {
      reject("{}: a record that this version does not know ({}): choose another output", journal.string(),
             error.what());
    }
  }
  return history;
}

/// Makes DIR and DIR/journal.
void make_directories(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory / "journal", error);
  validate(!error, "output {}: no directory can be made there ({}): choose another output", directory.string(),
           error.message());
}

}  // namespace

fs::path journal_path(const fs::path& directory, int rank) {
  return directory / "journal" / fmt::format("rank-{}.journal", rank);
}

fs::path results_path(const fs::path& directory) {
  return directory / "results.h5";
}

std::vector<fs::path> journal_paths(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory / "journal", error))
    if (entry.path().extension() == ".journal") paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

OutputDirectory::OutputDirectory(const config::RunConfig& config) : path_(config.output) {
  make_directories(path_);
  const fs::path lock = path_ / "journal" / "lock";
  lock_ = FileHandle(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  validate(lock_.is_open(), "output {}: cannot be written ({}): choose another output", path_.string(),
           std::strerror(errno));
  validate(try_lock(lock_, lock),
           "output {}: another job writes to it (it holds {}): wait for it, or choose another output", path_.string(),
           lock.string());

  History history = read_history(path_);
  const std::string hash = config::hash(config);
  for (const std::string& other : history.configuration_hashes)
    validate(other == hash,
             "output {}: holds the results of another configuration (hash {}, this one has {}): choose another output, "
             "or remove "
             "the directory",
             path_.string(), other, hash);
  validate(history.attempts > 0 || !fs::exists(results_path(path_)),
           "output {}: holds a results.h5 without its journal (it would be overwritten): choose another output, or "
           "remove it",
           path_.string());
  attempt_ = history.attempts;
  completed_.assign(history.completed.begin(), history.completed.end());
  earlier_ = std::move(history.inputs);
}

void OutputDirectory::expect_inputs(const Inputs& inputs) const {
  if (completed_.empty()) return;  // nothing would be mixed
  const auto compare = [this](const std::vector<InputFile>& before, const std::vector<InputFile>& now) {
    for (std::size_t i = 0; i < std::min(before.size(), now.size()); ++i) {
      validate(
          before[i].hash == now[i].hash,
          "{}: has changed since the results in {} were begun (SHA-256 {} then, {} now): bring the old file back, or "
          "choose another output",
          now[i].path, path_.string(), before[i].hash, now[i].hash);
    }
  };
  for (const Inputs& before : earlier_) {
    compare(before.models, inputs.models);
    compare(before.datasets, inputs.datasets);
  }
}

}  // namespace pipespec::results
