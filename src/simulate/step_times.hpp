/// How long the steps of a stage take.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace pipespec::simulate {

/// Seconds of a pass by its rows. Between two rows of the table the line through them; below the first its value, above
/// the last the line through the last two (one alone: its value). Of a drafter without a model, row 1 is a proposal.
class StepTimes {
 public:
  /// seconds_of_rows {rows: seconds}, at least one.
  explicit StepTimes(std::map<int, double> seconds_of_rows);

  double seconds(int rows) const;

 private:
  std::map<int, double> table_;
};

/// What a file says of a stage.
struct StageMeasurement {
  StepTimes times;
  std::optional<double> agreement;  ///< with the stage above
};

/// Reads `stage name: {ms: 23.8, agreement: 0.94}` or `stage name: {ms: {1: 23.8, 8: 26.5}}`, a table of milliseconds
/// by rows. UserError `file:line: …` on anything else.
std::map<std::string, StageMeasurement> read_step_times(const std::filesystem::path& file);

}  // namespace pipespec::simulate
