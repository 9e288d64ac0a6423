#include "config/labels.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pipespec::config {
namespace {

std::string describe(const ExperimentConfig& experiment, const std::vector<StageConfig>& stages, int detail) {
  std::string label(name(experiment.strategy));
  if (detail >= 1 && experiment.strategy != Strategy::autoregressive)
    for (std::size_t i = 0; i < experiment.stages.size(); ++i)
      label += fmt::format("{}{}", i == 0 ? ' ' : '+', stages[static_cast<std::size_t>(experiment.stages[i])].name);
  if (detail >= 2 && experiment.strategy == Strategy::speculative)
    label += fmt::format(" lookahead {}", experiment.lookahead);
  if (detail >= 2 && experiment.strategy == Strategy::pipespec)
    label += fmt::format(" window {} ahead {}", experiment.window, experiment.max_ahead);
  if (detail >= 3 && experiment.strategy == Strategy::pipespec)
    label += fmt::format(" {}", name(experiment.policy.kind));
  if (detail >= 3 && experiment.policy.kind == StepPolicy::Kind::lookahead)
    label += fmt::format(" {}", experiment.policy.lookahead);
  if (detail >= 4) label += fmt::format(" in flight {}", experiment.sequences_in_flight);
  return label;
}

}  // namespace

void fill_in_labels(std::vector<ExperimentConfig>& experiments, const std::vector<StageConfig>& stages) {
  const bool in_flight_differs = std::ranges::any_of(experiments, [&](const ExperimentConfig& experiment) {
    return experiment.sequences_in_flight != experiments.front().sequences_in_flight;
  });
  const int most_detailed = in_flight_differs ? 4 : 3;
  std::vector<std::string> labels;
  for (const ExperimentConfig& experiment : experiments) {
    std::string label = experiment.label;
    for (int detail = 0; experiment.label.empty() && detail <= most_detailed; ++detail) {
      label = describe(experiment, stages, detail);
      const auto alike = std::ranges::count_if(experiments, [&](const ExperimentConfig& other) {
        return label == (other.label.empty() ? describe(other, stages, detail) : other.label);
      });
      if (alike == 1) break;
    }
    labels.push_back(std::move(label));
  }
  for (std::size_t i = 0; i < experiments.size(); ++i) {
    const auto first = std::ranges::find(labels, labels[i]) - labels.begin();
    experiments[i].label =
        labels[i].size() <= longest_label ? labels[i] : fmt::format("{} #{}", name(experiments[i].strategy), first + 1);
  }
}

}  // namespace pipespec::config
