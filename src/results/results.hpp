/// What a run leaves behind, as plain data: the journals and the HDF5 file are two forms of it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "core/trace.hpp"

namespace pipespec::results {

/// A file that went into the run, and a hash of its content as the caller computes it.
struct InputFile {
  std::string path;
  std::string hash;
  friend bool operator==(const InputFile&, const InputFile&) = default;
};

/// The files a run reads.
struct Inputs {
  std::vector<InputFile> models;    ///< one a stage with a model, and the list of its draft vocabulary
  std::vector<InputFile> datasets;  ///< one a task
  friend bool operator==(const Inputs&, const Inputs&) = default;
};

/// Where one attempt at the run (one launch of the job) comes from. The application version, git revision, build and
/// HDF5 version are filled in by `provenance_of_build`.
struct Provenance {
  std::string version;                   ///< of the application
  std::string revision;                  ///< git
  std::string build;                     ///< build type and compiler
  std::string date;                      ///< ISO 8601, UTC, when the attempt began
  std::string mpi;                       ///< library and version
  std::string hdf5;                      ///< version
  std::string cuda;                      ///< CUDA, cuBLAS and devices, or why there are none
  std::string nccl;                      ///< version, or why there is none
  std::string slurm_job;                 ///< job id with step, empty outside Slurm
  std::vector<std::string> hosts;        ///< [rank]
  std::vector<std::string> devices;      ///< [rank] instruction set, or GPU name and UUID
  std::vector<double> clock_offsets;     ///< [rank] seconds, own clock minus rank 0's, at the start
  std::vector<std::int64_t> bytes_read;  ///< [rank] of its model's files, to load its weights
  Inputs inputs;
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

/// A Provenance with what this executable knows of itself, and the present date.
Provenance provenance_of_build();

/// Which sample of the configuration: the unit of work that is done exactly once.
struct SampleKey {
  std::int32_t experiment = 0;
  std::int32_t task = 0;
  std::int32_t index = 0;
  friend auto operator<=>(const SampleKey&, const SampleKey&) = default;
};

inline SampleKey key_of(const SampleRecord& sample) {
  return {sample.experiment, sample.task, sample.index};
}

/// A sample with what every stage of its chain did for it.
struct CompletedSample {
  SampleRecord sample;
  std::int32_t attempt = 0;  ///< the launch of the job that decoded it, from 0; its times are on that launch's clock
  std::int32_t replica = 0;  ///< the pipeline that decoded it, from 0
  SequenceId sequence;       ///< unique within the attempt and replica
  std::vector<std::optional<StageTrace>> stages;  ///< [place in the experiment's chain]; none where the stage was
                                                  ///< killed before its trace reached the disk
};

struct Results {
  config::RunConfig configuration;
  std::vector<Provenance> attempts;        ///< [attempt]
  std::vector<CompletedSample> samples;    ///< ordered by experiment, task, index; each key once
  std::vector<TelemetryRecord> telemetry;  ///< ordered by attempt, experiment, rank; none of what was killed
};

}  // namespace pipespec::results
