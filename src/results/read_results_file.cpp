#include <stdexcept>

#include "core/error.hpp"
#include "io/hdf5.hpp"
#include "results/columns.hpp"
#include "results/results_file.hpp"
#include "results/schema.hpp"

namespace pipespec::results {
namespace {

using io::hdf5::Group;
using io::hdf5::open_group;
using io::hdf5::Ragged;
using io::hdf5::read_column;
using io::hdf5::read_ragged;

void require(bool condition, const char* what) {
  if (!condition) throw Failure(what);
}

template <class T>
std::vector<T> read_column_of(hid_t group, const char* name, std::size_t rows) {
  std::vector<T> values = read_column<T>(group, name);
  require(values.size() == rows, "columns of one table differ in length");
  return values;
}

template <class Field>
std::vector<Stored<Field>> read_field(hid_t group, const char* name, std::size_t rows) {
  if constexpr (std::is_enum_v<Field>) {
    std::vector<std::uint8_t> values = io::hdf5::read_enumeration(group, name, enumeration_names<Field>.size());
    require(values.size() == rows, "columns of one table differ in length");
    return values;
  } else {
    return read_column_of<Stored<Field>>(group, name, rows);
  }
}

/// Reads a table; `record(row)` is where a row goes. A column that the file's version did not have yet stays as it is.
template <class Record, class Columns, class Where>
void read_table(hid_t group, const Columns& columns, std::size_t rows, const Where& record) {
  for_each_column(columns, [&]<class Field>(const Column<Record, Field>& column) {
    if (!io::hdf5::has_link(group, column.name)) return;
    const auto values = read_field<Field>(group, column.name, rows);
    for (std::size_t row = 0; row < rows; ++row) record(row).*column.field = restored<Field>(values[row]);
  });
}

template <class T, class Take>
void read_lists(hid_t group, const char* name, std::size_t rows, const Take& take) {
  const Ragged<T> column = read_ragged<T>(group, name);
  require(column.rows() == rows, "columns of one table differ in length");
  for (std::size_t row = 0; row < rows; ++row) take(row, column.row(row));
}

template <class T>
void assign(std::vector<T>& to, std::span<const T> from) {
  to.assign(from.begin(), from.end());
}

std::vector<CompletedSample> read_samples(hid_t parent, std::size_t experiment, std::size_t stages) {
  const Group group = open_group(parent, "samples");
  const hid_t id = group.get();
  const std::vector<std::string> ids = io::hdf5::read_strings(id, "id");
  const std::size_t rows = ids.size();
  const auto attempts = read_column_of<std::int32_t>(id, "attempt", rows);
  const auto sequences = read_column_of<std::int32_t>(id, "sequence", rows);
  const auto replicas = io::hdf5::has_link(id, "replica")  // since schema 1.3
                            ? read_column_of<std::int32_t>(id, "replica", rows)
                            : std::vector<std::int32_t>(rows);
  std::vector<CompletedSample> samples(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    samples[row].sample.experiment = static_cast<std::int32_t>(experiment);
    samples[row].sample.id = ids[row];
    samples[row].attempt = attempts[row];
    samples[row].replica = replicas[row];
    samples[row].sequence.value = sequences[row];
    samples[row].stages.resize(stages);
  }
  read_table<SampleRecord>(id, sample_columns, rows,
                           [&](std::size_t row) -> SampleRecord& { return samples[row].sample; });
  read_lists<std::int32_t>(id, "output_tokens", rows,
                           [&](std::size_t row, auto list) { assign(samples[row].sample.tokens, list); });
  read_lists<double>(id, "commit_time", rows,
                     [&](std::size_t row, auto list) { assign(samples[row].sample.commit_times, list); });
  read_lists<std::uint8_t>(
      id, "text", rows, [&](std::size_t row, auto list) { samples[row].sample.text.assign(list.begin(), list.end()); });
  return samples;
}

void read_link(hid_t parent, std::vector<CompletedSample>& samples, std::size_t stage) {
  const Group group = open_group(parent, "link");
  const std::size_t rows = samples.size();
  const auto recorded = read_column_of<std::uint8_t>(group.get(), "recorded", rows);
  std::vector<LinkStatistics> links(rows);
  read_table<LinkStatistics>(group.get(), link_columns, rows,
                             [&](std::size_t row) -> LinkStatistics& { return links[row]; });
  read_lists<std::int64_t>(group.get(), "offered", rows,
                           [&](std::size_t row, auto list) { assign(links[row].offered, list); });
  read_lists<std::int64_t>(group.get(), "accepted", rows,
                           [&](std::size_t row, auto list) { assign(links[row].accepted, list); });
  for (std::size_t row = 0; row < rows; ++row)
    if (recorded[row])
      samples[row].stages[stage] =
          StageTrace{StageIndex{static_cast<std::int32_t>(stage)}, std::move(links[row]), {}, {}};
}

template <class Record, class Columns>
void read_events(hid_t parent, const char* name, std::vector<CompletedSample>& samples, std::size_t stage,
                 const Columns& columns, std::vector<Record> StageTrace::*records) {
  const Group group = open_group(parent, name);
  const auto owners = read_column<std::int32_t>(group.get(), "sample");
  std::vector<Record> all(owners.size());
  read_table<Record>(group.get(), columns, all.size(), [&](std::size_t row) -> Record& { return all[row]; });
  for (std::size_t row = 0; row < all.size(); ++row) {
    const auto owner = static_cast<std::size_t>(owners[row]);
    require(owner < samples.size() && samples[owner].stages[stage], "an event belongs to no recorded sample");
    all[row].sequence = samples[owner].sequence;
    ((*samples[owner].stages[stage]).*records).push_back(all[row]);
  }
}

void read_experiment(hid_t parent, std::size_t experiment, Results& results) {
  const std::size_t stages = results.configuration.experiments[experiment].stages.size();
  const Group group = open_group(parent, fmt::to_string(experiment));
  std::vector<CompletedSample> samples = read_samples(group.get(), experiment, stages);
  const Group all_stages = open_group(group.get(), "stages");
  for (std::size_t stage = 0; stage < stages; ++stage) {
    const Group of_stage = open_group(all_stages.get(), fmt::to_string(stage));
    read_link(of_stage.get(), samples, stage);
    read_events(of_stage.get(), "steps", samples, stage, step_columns, &StageTrace::steps);
    read_events(of_stage.get(), "messages", samples, stage, message_columns, &StageTrace::messages);
  }
  std::ranges::move(samples, std::back_inserter(results.samples));
}

std::vector<InputFile> read_files(hid_t object, const std::string& name) {
  const auto paths = io::hdf5::read_texts_attribute(object, name + "_files");
  const auto hashes = io::hdf5::read_texts_attribute(object, name + "_hashes");
  require(paths.size() == hashes.size(), "an input file has no hash");
  std::vector<InputFile> files;
  for (std::size_t i = 0; i < paths.size(); ++i) files.push_back({paths[i], hashes[i]});
  return files;
}

Provenance read_provenance(hid_t object) {
  const auto text = [&](const char* name) { return io::hdf5::read_text_attribute(object, name); };
  Provenance provenance;
  provenance.version = text("application_version");
  provenance.revision = text("revision");
  provenance.build = text("build");
  provenance.date = text("date");
  provenance.mpi = text("mpi");
  provenance.hdf5 = text("hdf5");
  if (io::hdf5::has_attribute(object, "cuda")) {  // since schema 1.2
    provenance.cuda = text("cuda");
    provenance.nccl = text("nccl");
  }
  provenance.slurm_job = text("slurm_job");
  provenance.hosts = io::hdf5::read_texts_attribute(object, "hosts");
  provenance.devices = io::hdf5::read_texts_attribute(object, "devices");
  provenance.clock_offsets = io::hdf5::read_numbers_attribute(object, "clock_offsets");
  if (io::hdf5::has_attribute(object, "bytes_read"))  // since schema 1.1
    provenance.bytes_read = io::hdf5::read_integers_attribute(object, "bytes_read");
  provenance.inputs.models = read_files(object, "model");
  provenance.inputs.datasets = read_files(object, "dataset");
  return provenance;
}

std::vector<TelemetryRecord> read_telemetry(hid_t parent) {
  const Group group = open_group(parent, "telemetry");
  std::vector<TelemetryRecord> telemetry(read_column<std::int32_t>(group.get(), "rank").size());
  read_table<TelemetryRecord>(group.get(), telemetry_columns, telemetry.size(),
                              [&](std::size_t row) -> TelemetryRecord& { return telemetry[row]; });
  return telemetry;
}

Results read_open_file(const io::hdf5::File& file, const std::string& name) {
  require(io::hdf5::read_text_attribute(file.get(), "filetype") == schema::filetype, "another kind of HDF5 file");
  const auto version = io::hdf5::read_integers_attribute(file.get(), "version");
  require(version.size() == 2 && version[0] == schema::version[0], "another version of the schema");
  Results results;
  results.configuration = config::parse(io::hdf5::read_text_attribute(file.get(), "configuration"), name);
  const Group attempts = open_group(file.get(), "attempts");
  for (std::size_t attempt = 0; io::hdf5::has_link(attempts.get(), fmt::to_string(attempt)); ++attempt)
    results.attempts.push_back(read_provenance(open_group(attempts.get(), fmt::to_string(attempt)).get()));
  if (io::hdf5::has_link(file.get(), "telemetry"))  // since schema 1.2
    results.telemetry = read_telemetry(file.get());
  const Group experiments = open_group(file.get(), "experiments");
  for (std::size_t i = 0; i < results.configuration.experiments.size(); ++i)
    read_experiment(experiments.get(), i, results);
  return results;
}

}  // namespace

Results read_results_file(const std::filesystem::path& file) {
  validate(std::filesystem::exists(file),
           "{}: no such file or directory (results of a run are expected): check the path", file.string());
  try {
    return read_open_file(io::hdf5::open_file(file), file.string());
  } catch (const UserError&) {
    throw;
  } catch (const std::exception& error) {  // HDF5's refusal, or sizes in a damaged file that no memory can hold
    reject("{}: not a results file, or a damaged one ({}): name the output directory or the results.h5 of a run",
           file.string(), error.what());
  }
}

}  // namespace pipespec::results
