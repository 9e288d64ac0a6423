/// Results made up for tests: every field of every record holds something of its own.
#pragma once

#include <random>
#include <string>

#include "results/journal.hpp"
#include "results/output_directory.hpp"
#include "results/results.hpp"

namespace pipespec::results {

inline config::RunConfig three_experiments(const std::string& output) {
  return config::parse(R"(
name: made-up
seed: 18446744073709551615
stages:
  - {name: ngram, drafter: prompt_lookup}
  - {name: draft, model: models/draft.gguf}
  - {name: target, model: models/target.gguf}
tasks: [{preset: humaneval_instruct, file: h.jsonl}, {preset: jsonl, file: a.jsonl}, {preset: jsonl, file: b.jsonl}]
experiments:
  - {strategy: autoregressive}
  - {strategy: pipespec}
  - {strategy: pipespec, stages: [ngram, target]}
)",
                       "made-up.yaml", std::vector<std::string>{"output=" + output});
}

/// Numbers that no field has by default; the same for the same seed.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  std::int32_t integer() { return std::uniform_int_distribution<std::int32_t>(1, 1 << 20)(random_); }
  double seconds() { return std::uniform_real_distribution<double>(0.1, 1e3)(random_); }
  std::size_t length() { return std::uniform_int_distribution<std::size_t>(1, 5)(random_); }
  template <class Enumeration>
  Enumeration one_of(int values) {
    return static_cast<Enumeration>(std::uniform_int_distribution<int>(0, values - 1)(random_));
  }

  SampleRecord sample(SampleKey key) {
    SampleRecord sample;
    sample.experiment = key.experiment;
    sample.task = key.task;
    sample.index = key.index;
    sample.id = "Task/" + std::to_string(key.task) + "-" + std::to_string(key.index) + "-é";
    sample.prompt_length = integer();
    for (std::size_t i = length(); i > 0; --i) {
      sample.tokens.push_back(integer());
      sample.commit_times.push_back(seconds());
    }
    sample.text = std::string("line\nline \0 文 \"quoted\" ", 23) + std::to_string(integer());
    sample.finish = one_of<FinishReason>(4);
    sample.start = seconds();
    sample.first_token = sample.start + seconds();
    sample.end = sample.first_token + seconds();
    return sample;
  }

  StageTrace trace(int stage, SequenceId sequence) {
    StageTrace trace;
    trace.stage = StageIndex{stage};
    trace.link = {integer(), {integer(), integer()}, {integer(), integer()}, integer(), integer(), integer(),
                  integer()};
    for (std::size_t i = length(); i > 0; --i)
      trace.steps.push_back({sequence, seconds(), seconds(), integer(), integer(), integer(), integer(), integer(),
                             integer(), one_of<StepKind>(3), integer(), seconds(), integer(), seconds(), integer()});
    for (std::size_t i = length(); i > 0; --i)
      trace.messages.push_back({sequence, seconds(), one_of<MessageKind>(6), one_of<Direction>(2),
                                StageIndex{integer()}, integer(), integer(), integer()});
    return trace;
  }

  CompletedSample completed(const config::RunConfig& config, SampleKey key, int replica, SequenceId sequence) {
    CompletedSample completed{
        .sample = sample(key), .attempt = 0, .replica = replica, .sequence = sequence, .stages = {}};
    const std::size_t stages = config.experiments.at(static_cast<std::size_t>(key.experiment)).stages.size();
    for (std::size_t stage = 0; stage < stages; ++stage)
      completed.stages.push_back(trace(static_cast<int>(stage), sequence));
    return completed;
  }

  TelemetryRecord telemetry(int experiment, int rank) {
    TelemetryRecord telemetry{0, experiment, rank, seconds(), 0, seconds(), integer(), seconds(), -seconds()};
    telemetry.end = telemetry.begin + seconds();
    return telemetry;
  }

  Provenance provenance() {
    Provenance provenance = provenance_of_build();
    provenance.mpi = "Open MPI 4.1.4";
    provenance.cuda = "CUDA 13.0, cuBLAS 13.0.2, 4 devices";
    provenance.nccl = "2.28.3";
    provenance.slurm_job = "123.0";
    provenance.hosts = {"node1", "node2", "node2"};
    provenance.devices = {"AVX2", "AVX-512", "AVX-512"};
    provenance.clock_offsets.assign(10'000, 0.0);  // more than 64 KiB, as a large machine has
    for (double& offset : provenance.clock_offsets) offset = seconds();
    provenance.bytes_read = {0, 33'000'000'000, 67};
    provenance.inputs.models = {{"models/draft.gguf", "0123"}, {"models/target.gguf", "4567"}};
    provenance.inputs.datasets = {{"h.jsonl", "89ab"}, {"a.jsonl", "cdef"}, {"b.jsonl", "f00d"}};
    return provenance;
  }

  /// Three experiments with five samples each over the three tasks, decoded by two replicas that number their
  /// sequences alike; the second one has lost a stage's trace.
  Results results(const config::RunConfig& config) {
    Results results;
    results.configuration = config;
    results.attempts = {provenance()};
    int count = 0;
    for (int experiment = 0; experiment < 3; ++experiment)
      for (const auto& [task, index] : {std::pair{0, 0}, {0, 1}, {1, 0}, {2, 4}, {2, 7}}) {
        const SampleKey key{experiment, task, index};
        results.samples.push_back(completed(config, key, count % 2, SequenceId{count / 2}));
        ++count;
      }
    results.samples[6].stages[1].reset();
    for (int experiment = 0; experiment < 3; ++experiment)
      for (int rank = 0; rank < 3; ++rank) results.telemetry.push_back(telemetry(experiment, rank));
    return results;
  }

 private:
  std::mt19937 random_;
};

/// The journals that the ranks of a run leave which ended with `results`: two replicas of a rank a stage, the last
/// of them the target's.
inline void write_journals(const Results& results) {
  const OutputDirectory directory(results.configuration);
  const std::string hash = config::hash(results.configuration);
  std::vector<Journal> ranks;
  for (int rank = 0; rank < 6; ++rank) ranks.emplace_back(directory.path(), rank, directory.attempt(), hash, rank / 3);
  ranks[0].add(results.attempts.back(), results.configuration);
  for (const CompletedSample& completed : results.samples) {
    const std::size_t last = 3 * static_cast<std::size_t>(completed.replica) + 2;
    const std::size_t first = last + 1 - completed.stages.size();
    for (std::size_t stage = 0; stage < completed.stages.size(); ++stage)
      if (completed.stages[stage]) ranks[first + stage].add(*completed.stages[stage], completed.sequence);
    ranks[last].add(completed.sample, completed.sequence);
  }
  for (const TelemetryRecord& telemetry : results.telemetry) ranks[2].add(telemetry);
  for (Journal& journal : ranks) journal.commit();
}

inline void expect_equal(const Results& actual, const Results& expected) {
  EXPECT_EQ(config::to_yaml(actual.configuration), config::to_yaml(expected.configuration));
  EXPECT_EQ(actual.attempts, expected.attempts);
  EXPECT_EQ(actual.telemetry, expected.telemetry);
  ASSERT_EQ(actual.samples.size(), expected.samples.size());
  for (std::size_t i = 0; i < actual.samples.size(); ++i) {
    const CompletedSample &a = actual.samples[i], &e = expected.samples[i];
    EXPECT_EQ(a.sample, e.sample) << e.sample.id;
    EXPECT_EQ(a.attempt, e.attempt);
    EXPECT_EQ(a.replica, e.replica);
    EXPECT_EQ(a.sequence, e.sequence);
    EXPECT_EQ(a.stages, e.stages) << e.sample.id;
  }
}

}  // namespace pipespec::results
