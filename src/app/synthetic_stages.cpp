#include "app/synthetic_stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace pipespec::app {

SyntheticText synthetic_text(const config::RunConfig& config) {
  std::vector<SyntheticText::Voice> voices;
  config::SyntheticConfig last;
  for (const config::StageConfig& stage : config.stages) {
    if (!stage.synthetic) continue;
    last = *stage.synthetic;
    voices.push_back({last.agreement, last.seed});
  }
  return {last.vocabulary, last.mean_length, std::move(voices)};
}

int synthetic_place(const config::RunConfig& config, int stage) {
  const auto is_synthetic = [](const config::StageConfig& other) { return other.synthetic.has_value(); };
  return static_cast<int>(std::count_if(config.stages.begin(), config.stages.begin() + stage, is_synthetic));
}

std::string describe(const config::SyntheticConfig& synthetic) {
  return fmt::format("{} tokens, {} ms a pass and {} ms a row, agreement {}", synthetic.vocabulary, synthetic.pass_ms,
                     synthetic.row_ms, synthetic.agreement);
}

}  // namespace pipespec::app
