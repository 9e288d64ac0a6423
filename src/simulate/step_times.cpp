#include "simulate/step_times.hpp"

#include <iterator>
#include <utility>

#include "config/number.hpp"
#include "config/reader.hpp"
#include "config/yaml_tree.hpp"
#include "core/error.hpp"

namespace pipespec::simulate {

StepTimes::StepTimes(std::map<int, double> seconds_of_rows) : table_(std::move(seconds_of_rows)) {
  expect(!table_.empty(), "a table of step times has an entry");
}

double StepTimes::seconds(int rows) const {
  auto above = table_.lower_bound(rows);
  if (above == table_.begin()) return above->second;
  if (above == table_.end()) --above;
  if (above == table_.begin()) return above->second;
  const auto below = std::prev(above);
  const double slope = (above->second - below->second) / (above->first - below->first);
  return below->second + slope * (rows - below->first);
}

namespace {

double read_seconds(const config::Reader& reader) {
  const double ms = reader.number();
  if (ms < 0) reader.fail("{} is out of range (a step takes time): choose another", ms);
  return ms * 1e-3;
}

StepTimes read_times(const config::Reader& reader) {
  if (!reader.is_map()) return StepTimes({{1, read_seconds(reader)}});
  std::map<int, double> table;
  for (const auto& [key, value] : reader.entries()) {
    const auto rows = config::parse_number<int>(key);
    if (!rows || *rows < 1)
      value.fail("'{}' is not a number of rows (1 or more is expected): write rows: milliseconds",
                 config::printable(key));
    table[*rows] = read_seconds(value);
  }
  return StepTimes(std::move(table));
}

std::optional<double> read_agreement(const config::Reader& stage) {
  const auto reader = stage.find("agreement");
  if (!reader) return std::nullopt;
  const double agreement = reader->number();
  if (agreement < 0 || agreement > 1) reader->fail("{} is out of range (from 0 to 1): choose another", agreement);
  return agreement;
}

}  // namespace

std::map<std::string, StageMeasurement> read_step_times(const std::filesystem::path& file) {
  const config::Value root = config::read_yaml(config::read_text(file, "a table of step times"), file.string());
  std::map<std::string, StageMeasurement> stages;
  for (const auto& [name, stage] : config::Reader(root).entries()) {
    stage.require_keys({"ms", "agreement"});
    stages.emplace(name, StageMeasurement{read_times(stage.at("ms", "it says how long the stage's steps take")),
                                          read_agreement(stage)});
  }
  return stages;
}

}  // namespace pipespec::simulate
