#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"
#include "io/hdf5.hpp"
#include "results/columns.hpp"
#include "results/file_handle.hpp"
#include "results/results_file.hpp"
#include "results/schema.hpp"

namespace pipespec::results {
namespace {

using io::hdf5::Group;
using io::hdf5::Ragged;
using io::hdf5::write_attribute;

using Samples = std::span<const CompletedSample>;

/// One column of a table, whatever its field is: numbers as they are, enumerations with their names.
template <class Field>
void write_field(hid_t group, const char* name, const std::vector<Stored<Field>>& values) {
  if constexpr (std::is_enum_v<Field>)
    io::hdf5::write_enumeration(group, name, values, enumeration_names<Field>);
  else
    io::hdf5::write_column<Stored<Field>>(group, name, values);
}

/// A table's columns, gathered from the records that `visit` calls its argument with.
template <class Record, class Columns, class Visit>
void write_table(hid_t group, const Columns& columns, const Visit& visit) {
  for_each_column(columns, [&]<class Field>(const Column<Record, Field>& column) {
    std::vector<Stored<Field>> values;
    visit([&](const Record& record) { values.push_back(stored(record.*column.field)); });
    write_field<Field>(group, column.name, values);
  });
}

/// A column with one number a sample.
template <class T, class F>
void write_each(hid_t group, const char* name, Samples samples, const F& number) {
  std::vector<T> values;
  for (const CompletedSample& completed : samples) values.push_back(number(completed));
  io::hdf5::write_column<T>(group, name, values);
}

/// A column with one list a sample.
template <class T, class F>
void write_lists(hid_t group, const char* name, Samples samples, const F& list) {
  Ragged<T> column;
  for (const CompletedSample& completed : samples) column.add(list(completed));
  io::hdf5::write_ragged<T>(group, name, column);
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void write_samples(hid_t parent, Samples samples) {
  const Group group = io::hdf5::create_group(parent, "samples");
  const hid_t id = group.get();
  std::vector<std::string> ids;
  for (const CompletedSample& completed : samples) ids.push_back(completed.sample.id);
  io::hdf5::write_strings(id, "id", ids);
  write_table<SampleRecord>(id, sample_columns, [&](const auto& take) {
    for (const CompletedSample& completed : samples) take(completed.sample);
  });
  write_each<std::uint8_t>(id, "truncated", samples, [](const CompletedSample& completed) {
    return completed.sample.finish == FinishReason::length || completed.sample.finish == FinishReason::context;
  });
  write_each<std::int32_t>(id, "attempt", samples, [](const CompletedSample& completed) { return completed.attempt; });
  write_each<std::int32_t>(id, "replica", samples, [](const CompletedSample& completed) { return completed.replica; });
  write_each<std::int32_t>(id, "sequence", samples,
                           [](const CompletedSample& completed) { return completed.sequence.value; });
  write_lists<std::int32_t>(id, "output_tokens", samples,
                            [](const auto& completed) { return std::span(completed.sample.tokens); });
  write_lists<double>(id, "commit_time", samples,
                      [](const auto& completed) { return std::span(completed.sample.commit_times); });
  write_lists<std::uint8_t>(id, "text", samples, [](const auto& completed) { return bytes_of(completed.sample.text); });
}

/// The numbers of each sample at one stage; zero and empty where the stage's trace was lost.
void write_link(hid_t parent, Samples samples, std::size_t stage) {
  const Group group = io::hdf5::create_group(parent, "link");
  static const LinkStatistics nothing{};
  const auto link = [&](const CompletedSample& completed) -> const LinkStatistics& {
    return completed.stages[stage] ? completed.stages[stage]->link : nothing;
  };
  write_each<std::uint8_t>(group.get(), "recorded", samples,
                           [&](const CompletedSample& completed) { return completed.stages[stage].has_value(); });
  write_table<LinkStatistics>(group.get(), link_columns, [&](const auto& take) {
    for (const CompletedSample& completed : samples) take(link(completed));
  });
  write_lists<std::int64_t>(group.get(), "offered", samples,
                            [&](const auto& completed) { return std::span(link(completed).offered); });
  write_lists<std::int64_t>(group.get(), "accepted", samples,
                            [&](const auto& completed) { return std::span(link(completed).accepted); });
}

/// The steps or the messages of all samples at one stage. `sample` is the row of /experiments/<n>/samples.
template <class Record, class Columns>
void write_events(hid_t parent, const char* name, Samples samples, std::size_t stage, const Columns& columns,
                  std::vector<Record> StageTrace::*records) {
  const Group group = io::hdf5::create_group(parent, name);
  std::vector<std::int32_t> rows;
  for (std::size_t row = 0; row < samples.size(); ++row)
    if (samples[row].stages[stage])
      rows.insert(rows.end(), ((*samples[row].stages[stage]).*records).size(), static_cast<std::int32_t>(row));
  io::hdf5::write_column<std::int32_t>(group.get(), "sample", rows);
  write_table<Record>(group.get(), columns, [&](const auto& take) {
    for (const CompletedSample& completed : samples)
      if (completed.stages[stage])
        for (const Record& record : (*completed.stages[stage]).*records) take(record);
  });
}

void write_experiment(hid_t parent, const Results& results, std::size_t experiment) {
  const auto is_ours = [&](const CompletedSample& completed) {
    return static_cast<std::size_t>(completed.sample.experiment) == experiment;
  };
  const auto first = std::ranges::find_if(results.samples, is_ours);
  const auto last = std::find_if_not(first, results.samples.end(), is_ours);
  const Samples samples(first, last);

  const config::ExperimentConfig& config = results.configuration.experiments[experiment];
  const std::vector<std::string> names = config::stage_names(results.configuration, config);
  const Group group = io::hdf5::create_group(parent, fmt::to_string(experiment));
  write_attribute(group.get(), "strategy", std::string(config::name(config.strategy)));
  write_attribute(group.get(), "label", config.label);
  write_samples(group.get(), samples);
  const Group stages = io::hdf5::create_group(group.get(), "stages");
  for (std::size_t stage = 0; stage < names.size(); ++stage) {
    const Group of_stage = io::hdf5::create_group(stages.get(), fmt::to_string(stage));
    write_attribute(of_stage.get(), "name", names[stage]);
    write_link(of_stage.get(), samples, stage);
    write_events(of_stage.get(), "steps", samples, stage, step_columns, &StageTrace::steps);
    write_events(of_stage.get(), "messages", samples, stage, message_columns, &StageTrace::messages);
  }
}

void write_files(hid_t object, const std::string& name, const std::vector<InputFile>& files) {
  std::vector<std::string> paths, hashes;
  for (const InputFile& file : files) {
    paths.push_back(file.path);
    hashes.push_back(file.hash);
  }
  write_attribute(object, name + "_files", paths);
  write_attribute(object, name + "_hashes", hashes);
}

void write_provenance(hid_t object, const Provenance& provenance) {
  write_attribute(object, "application_version", provenance.version);
  write_attribute(object, "revision", provenance.revision);
  write_attribute(object, "build", provenance.build);
  write_attribute(object, "date", provenance.date);
  write_attribute(object, "mpi", provenance.mpi);
  write_attribute(object, "hdf5", provenance.hdf5);
  write_attribute(object, "cuda", provenance.cuda);
  write_attribute(object, "nccl", provenance.nccl);
  write_attribute(object, "slurm_job", provenance.slurm_job);
  write_attribute(object, "hosts", provenance.hosts);
  write_attribute(object, "devices", provenance.devices);
  write_attribute(object, "clock_offsets", provenance.clock_offsets);
  write_attribute(object, "bytes_read", provenance.bytes_read);
  write_files(object, "model", provenance.inputs.models);
  write_files(object, "dataset", provenance.inputs.datasets);
}

std::vector<std::uint8_t> file_image(const Results& results) {
  const io::hdf5::File file = io::hdf5::create_in_memory();
  write_attribute(file.get(), "filetype", std::string(schema::filetype));
  write_attribute(file.get(), "version", schema::version);
  write_attribute(file.get(), "configuration", config::to_yaml(results.configuration));
  write_attribute(file.get(), "configuration_hash", config::hash(results.configuration));
  write_attribute(file.get(), "seed", results.configuration.seed);
  const Group attempts = io::hdf5::create_group(file.get(), "attempts");
  for (std::size_t attempt = 0; attempt < results.attempts.size(); ++attempt)
    write_provenance(io::hdf5::create_group(attempts.get(), fmt::to_string(attempt)).get(), results.attempts[attempt]);
  const Group telemetry = io::hdf5::create_group(file.get(), "telemetry");
  write_table<TelemetryRecord>(telemetry.get(), telemetry_columns,
                               [&](const auto& take) { std::ranges::for_each(results.telemetry, take); });
  const Group experiments = io::hdf5::create_group(file.get(), "experiments");
  for (std::size_t experiment = 0; experiment < results.configuration.experiments.size(); ++experiment)
    write_experiment(experiments.get(), results, experiment);
  return io::hdf5::image(file);
}

}  // namespace

void write_results_file(const std::filesystem::path& file, const Results& results) {
  const std::vector<std::uint8_t> image = file_image(results);
  const std::filesystem::path aside = file.string() + ".partial";
  const auto fail = [&] {
    const int reason = errno;
    ::unlink(aside.c_str());
    throw Failure(
        fmt::format("{}: cannot be written ({}): an older file of that name and the journal are untouched; make room "
                    "and run the same command again",
                    file.string(), std::strerror(reason)));
  };
  {
    const FileHandle out(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    const std::string_view bytes(reinterpret_cast<const char*>(image.data()), image.size());
    if (!out.is_open() || !write_all(out, bytes) || ::fsync(out.get()) != 0) fail();
  }
  if (::rename(aside.c_str(), file.c_str()) != 0) fail();
  sync_directory(std::filesystem::absolute(file).parent_path());
}

}  // namespace pipespec::results
