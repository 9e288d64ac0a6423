#include "app/provenance.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "comm/nccl_info.hpp"
#include "comm/session.hpp"
#include "config/run_config.hpp"
#include "device/cuda_info.hpp"
#include "device/device.hpp"
#include "io/file_hash.hpp"
#include "ops/instruction_set.hpp"

namespace pipespec::app {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string slurm_job() {
  const std::string job = environment("SLURM_JOB_ID");
  const std::string step = environment("SLURM_STEP_ID");
  return step.empty() ? job : job + "." + step;
}

}  // namespace

results::Inputs hash_inputs(const config::RunConfig& config) {
  results::Inputs inputs;
  std::map<std::string, std::string> hashes;  // stages may share a file
  const auto add_model = [&](const std::string& path) {
    const auto [entry, is_new] = hashes.try_emplace(path);
    if (is_new) entry->second = io::sha256_of(path);
    inputs.models.push_back({path, entry->second});
  };
  for (const config::StageConfig& stage : config.stages) {
    if (!stage.model.empty()) add_model(stage.model);
    if (const auto& draft = stage.draft_vocabulary; draft && !draft->file.empty()) add_model(draft->file);
  }
  for (const config::TaskConfig& task : config.tasks) {
    inputs.datasets.push_back({task.file, io::sha256_of(task.file)});
  }
  return inputs;
}

results::Provenance gather_provenance(const Job& job, double clock_offset, std::int64_t bytes_read) {
  results::Provenance provenance = results::provenance_of_build();
  provenance.mpi = comm::mpi_library();
  provenance.cuda = device::cuda_description();
  provenance.nccl = comm::nccl_description();
  provenance.slurm_job = slurm_job();
  provenance.hosts = job.world.gather_all(comm::host_name());
  provenance.devices =
      job.world.gather_all(fmt::format("{}, {}", device::Device::host().name(), ops::instruction_set()));
  provenance.clock_offsets = job.world.gather_all(clock_offset);
  provenance.bytes_read = job.world.gather_all(bytes_read);
  return provenance;
}

}  // namespace pipespec::app
