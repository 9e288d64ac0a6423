#include "results/journal_format.hpp"

#include <zlib.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "core/error.hpp"
#include "results/columns.hpp"

namespace pipespec::results {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "journals are little endian and written as they lie in memory");

constexpr std::size_t word = sizeof(std::uint32_t);
constexpr std::size_t frame_head = 2 * word;

std::uint32_t read_word(std::string_view bytes) {
  std::uint32_t value;
  std::memcpy(&value, bytes.data(), word);
  return value;
}

std::string word_bytes(std::uint32_t value) {
  return std::string(reinterpret_cast<const char*>(&value), word);
}

/// Over the length and the payload, so that a length that was hit is noticed, and zeros are no valid frame.
std::uint32_t checksum(std::string_view length, std::string_view payload) {
  const auto bytes = [](std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); };
  uLong crc = ::crc32(0, bytes(length), static_cast<uInt>(length.size()));
  crc = ::crc32_z(crc, bytes(payload), payload.size());
  return static_cast<std::uint32_t>(crc);
}

/// A table as {column name: [values]}.
template <class Record, class Columns>
json to_table(const std::vector<Record>& records, const Columns& columns) {
  json table = json::object();
  for_each_column(columns, [&](const auto& column) {
    json values = json::array();
    for (const Record& record : records) values.push_back(stored(record.*column.field));
    table[column.name] = std::move(values);
  });
  return table;
}

/// A column that the journal's version did not have yet keeps its default.
template <class Record, class Columns>
std::vector<Record> from_table(const json& table, const Columns& columns, SequenceId sequence) {
  Record first{};
  first.sequence = sequence;
  std::vector<Record> records(table.at(std::get<0>(columns).name).size(), first);
  for_each_column(columns, [&]<class Field>(const Column<Record, Field>& column) {
    if (!table.contains(column.name)) return;
    const json& values = table.at(column.name);
    for (std::size_t i = 0; i < records.size(); ++i)
      records[i].*column.field = restored<Field>(values.at(i).template get<Stored<Field>>());
  });
  return records;
}

template <class Record, class Columns>
void put_fields(json& out, const Record& record, const Columns& columns) {
  for_each_column(columns, [&](const auto& column) { out[column.name] = stored(record.*column.field); });
}

template <class Record, class Columns>
void get_fields(const json& in, Record& record, const Columns& columns) {
  for_each_column(columns, [&]<class Field>(const Column<Record, Field>& column) {
    record.*column.field = restored<Field>(in.at(column.name).template get<Stored<Field>>());
  });
}

json to_json(const std::vector<InputFile>& files) {
  json list = json::array();
  for (const InputFile& file : files) list.push_back({file.path, file.hash});
  return list;
}

std::vector<InputFile> input_files(const json& list) {
  std::vector<InputFile> files;
  for (const json& file : list) files.push_back({file.at(0), file.at(1)});
  return files;
}

}  // namespace

void append_frame(std::string& out, RecordKind kind, const json& record) {
  std::string payload(1, static_cast<char>(kind));
  json::to_cbor(record, payload);
  expect(payload.size() <= std::numeric_limits<std::uint32_t>::max(), "a journal record is shorter than 4 GiB");
  const std::string length = word_bytes(static_cast<std::uint32_t>(payload.size()));
  out += length + word_bytes(checksum(length, payload)) + payload;
}

std::size_t scan_frames(std::string_view bytes, const std::function<void(RecordKind, std::string_view)>& visit) {
  if (!bytes.starts_with(journal_magic)) return 0;
  std::size_t at = journal_magic.size();
  while (bytes.size() - at > frame_head) {
    const std::string_view head = bytes.substr(at, frame_head);
    const std::size_t length = read_word(head);
    if (length == 0 || length > bytes.size() - at - frame_head) break;
    const std::string_view payload = bytes.substr(at + frame_head, length);
    if (read_word(head.substr(word)) != checksum(head.substr(0, word), payload)) break;
    visit(static_cast<RecordKind>(payload[0]), payload.substr(1));
    at += frame_head + length;
  }
  return at;
}

std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad())
    throw Failure(fmt::format("{}: cannot be read ({})", file.string(), std::strerror(errno)));
  return bytes;
}

json parse_record(std::string_view cbor) {
  try {
    return json::from_cbor(cbor);
  } catch (const json::exception& error) {
    throw Failure(fmt::format("a journal record cannot be understood ({})", error.what()));
  }
}

json to_record(const SampleRecord& sample) {
  json record = {{"experiment", sample.experiment},
                 {"id", sample.id},
                 {"tokens", sample.tokens},
                 {"commit_times", sample.commit_times},
                 {"text", sample.text}};
  put_fields(record, sample, sample_columns);
  return record;
}

SampleRecord sample_of(const json& record) {
  SampleRecord sample;
  record.at("experiment").get_to(sample.experiment);
  record.at("id").get_to(sample.id);
  record.at("tokens").get_to(sample.tokens);
  record.at("commit_times").get_to(sample.commit_times);
  record.at("text").get_to(sample.text);
  get_fields(record, sample, sample_columns);
  return sample;
}

json to_record(const StageTrace& trace) {
  json link = {{"offered", trace.link.offered}, {"accepted", trace.link.accepted}};
  put_fields(link, trace.link, link_columns);
  return {{"stage", trace.stage.value},
          {"link", std::move(link)},
          {"steps", to_table(trace.steps, step_columns)},
          {"messages", to_table(trace.messages, message_columns)}};
}

StageTrace trace_of(const json& record, SequenceId sequence) {
  StageTrace trace;
  record.at("stage").get_to(trace.stage.value);
  const json& link = record.at("link");
  link.at("offered").get_to(trace.link.offered);
  link.at("accepted").get_to(trace.link.accepted);
  get_fields(link, trace.link, link_columns);
  trace.steps = from_table<StepRecord>(record.at("steps"), step_columns, sequence);
  trace.messages = from_table<MessageRecord>(record.at("messages"), message_columns, sequence);
  return trace;
}

json to_record(const Provenance& provenance) {
  return {{"version", provenance.version},
          {"revision", provenance.revision},
          {"build", provenance.build},
          {"date", provenance.date},
          {"mpi", provenance.mpi},
          {"hdf5", provenance.hdf5},
          {"cuda", provenance.cuda},
          {"nccl", provenance.nccl},
          {"slurm_job", provenance.slurm_job},
          {"hosts", provenance.hosts},
          {"devices", provenance.devices},
          {"clock_offsets", provenance.clock_offsets},
          {"bytes_read", provenance.bytes_read},
          {"models", to_json(provenance.inputs.models)},
          {"datasets", to_json(provenance.inputs.datasets)}};
}

Provenance provenance_of(const json& record) {
  Provenance provenance;
  record.at("version").get_to(provenance.version);
  record.at("revision").get_to(provenance.revision);
  record.at("build").get_to(provenance.build);
  record.at("date").get_to(provenance.date);
  record.at("mpi").get_to(provenance.mpi);
  record.at("hdf5").get_to(provenance.hdf5);
  provenance.cuda = record.value("cuda", provenance.cuda);  // since schema 1.2
  provenance.nccl = record.value("nccl", provenance.nccl);
  record.at("slurm_job").get_to(provenance.slurm_job);
  record.at("hosts").get_to(provenance.hosts);
  record.at("devices").get_to(provenance.devices);
  record.at("clock_offsets").get_to(provenance.clock_offsets);
  provenance.bytes_read = record.value("bytes_read", provenance.bytes_read);  // since schema 1.1
  provenance.inputs.models = input_files(record.at("models"));
  provenance.inputs.datasets = input_files(record.at("datasets"));
  return provenance;
}

json to_record(const TelemetryRecord& telemetry) {
  json record = json::object();
  put_fields(record, telemetry, telemetry_columns);
  return record;
}

TelemetryRecord telemetry_of(const json& record) {
  TelemetryRecord telemetry;
  get_fields(record, telemetry, telemetry_columns);
  return telemetry;
}

}  // namespace pipespec::results
