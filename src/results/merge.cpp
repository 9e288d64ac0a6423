// From the journals of all ranks to the results of the run: each completed sample once, with what every stage did for
// it.
#include <map>
#include <tuple>

#include "core/error.hpp"
#include "results/journal_format.hpp"
#include "results/output_directory.hpp"
#include "results/results_file.hpp"

namespace pipespec::results {
namespace {

using SequenceKey = std::tuple<std::int32_t, std::int32_t, std::int32_t>;  // attempt, replica, sequence

/// Journals of versions without replicas do not name one.
std::int32_t replica_of(const nlohmann::json& record) {
  return record.value("replica", std::int32_t{0});
}

class Merge {
 public:
  /// First pass over a journal: attempts, what they took, and completed samples.
  void read_samples(RecordKind kind, std::string_view cbor) {
    if (kind == RecordKind::telemetry) results_.telemetry.push_back(telemetry_of(parse_record(cbor)));
    if (kind != RecordKind::sample && kind != RecordKind::provenance) return;
    const nlohmann::json record = parse_record(cbor);
    const auto attempt = record.at("attempt").get<std::int32_t>();
    if (kind == RecordKind::provenance) {
      attempts_[attempt] = provenance_of(record);
      if (attempt >= latest_) {
        latest_ = attempt;
        configuration_ = record.at("configuration").get<std::string>();
      }
      return;
    }
    CompletedSample completed{.sample = sample_of(record),
                              .attempt = attempt,
                              .replica = replica_of(record),
                              .sequence = SequenceId{record.at("sequence").get<std::int32_t>()},
                              .stages = {}};
    const SampleKey key = key_of(completed.sample);
    samples_.emplace(key, std::move(completed));
  }

  /// Between the passes: the configuration is known, so is the number of stages of each sample.
  void prepare_traces(config::RunConfig configuration) {
    results_.configuration = std::move(configuration);
    for (auto& [key, completed] : samples_) {
      const auto& experiments = results_.configuration.experiments;
      expect(key.experiment >= 0 && static_cast<std::size_t>(key.experiment) < experiments.size(),
             "a journal names experiments of its configuration");
      completed.stages.resize(experiments[static_cast<std::size_t>(key.experiment)].stages.size());
      by_sequence_[{completed.attempt, completed.replica, completed.sequence.value}] = &completed;
    }
  }

  /// Second pass: traces of completed samples. Those of sequences that were cut off are passed over.
  void read_traces(RecordKind kind, std::string_view cbor) {
    if (kind != RecordKind::trace) return;
    const nlohmann::json record = parse_record(cbor);
    const SequenceId sequence{record.at("sequence").get<std::int32_t>()};
    const auto found =
        by_sequence_.find({record.at("attempt").get<std::int32_t>(), replica_of(record), sequence.value});
    if (found == by_sequence_.end()) return;
    StageTrace trace = trace_of(record, sequence);
    auto& stages = found->second->stages;
    const auto stage = static_cast<std::size_t>(trace.stage.value);
    expect(stage < stages.size(), "a journal names stages of the sample's chain");
    if (!stages[stage]) stages[stage] = std::move(trace);
  }

  bool has_configuration() const { return latest_ >= 0; }
  const std::string& configuration() const { return configuration_; }

  Results take() {
    results_.attempts.resize(static_cast<std::size_t>(latest_) + 1);
    for (auto& [attempt, provenance] : attempts_)
      results_.attempts[static_cast<std::size_t>(attempt)] = std::move(provenance);
    for (auto& [key, completed] : samples_) results_.samples.push_back(std::move(completed));
    return std::move(results_);
  }

 private:
  Results results_;
  std::map<std::int32_t, Provenance> attempts_;
  std::int32_t latest_ = -1;
  std::string configuration_;
  std::map<SampleKey, CompletedSample> samples_;
  std::map<SequenceKey, CompletedSample*> by_sequence_;
};

}  // namespace

Results read_journals(const std::filesystem::path& directory) {
  const std::vector<std::filesystem::path> journals = journal_paths(directory);
  Merge merge;
  try {
    for (const auto& journal : journals)
      scan_frames(read_bytes(journal), [&](RecordKind kind, std::string_view cbor) { merge.read_samples(kind, cbor); });
    validate(merge.has_configuration(), "{}: no results (no run has begun there): check the path", directory.string());
    merge.prepare_traces(config::parse(merge.configuration(), directory.string()));
    for (const auto& journal : journals)
      scan_frames(read_bytes(journal), [&](RecordKind kind, std::string_view cbor) { merge.read_traces(kind, cbor); });
  } catch (const nlohmann::json::exception& error) {
    throw Failure(
        fmt::format("{}: a journal record that this version does not know ({})", directory.string(), error.what()));
  }
  return merge.take();
}

Results read_results(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return read_results_file(path);
  return journal_paths(path).empty() ? read_results_file(results_path(path)) : read_journals(path);
}

}  // namespace pipespec::results
