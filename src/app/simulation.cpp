#include "app/simulation.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/experiment.hpp"
#include "app/stage_rank.hpp"
#include "app/workload.hpp"
#include "core/error.hpp"
#include "core/synthetic_text.hpp"
#include "simulate/synthetic_compute.hpp"

namespace pipespec::app {

using simulate::StageMeasurement;
using simulate::StepTimes;

namespace {

constexpr double lookup_seconds = 20e-6;  // a proposal of prompt_lookup, some thousand tokens searched

StepTimes times_of(const config::StageConfig& stage) {
  if (!stage.synthetic) return StepTimes({{1, lookup_seconds}});
  const double pass = stage.synthetic->pass_ms * 1e-3, row = stage.synthetic->row_ms * 1e-3;
  return StepTimes({{1, pass + row}, {2, pass + 2 * row}});
}

}  // namespace

Simulation::Simulation(config::RunConfig config, const std::string& step_times, const simulate::Latency& latency)
    : config_(std::move(config)), latency_(latency) {
  const auto measured =
      step_times.empty() ? std::map<std::string, StageMeasurement>() : simulate::read_step_times(step_times);
  for (const auto& [name, _] : measured) {
    const auto has_name = [&name](const config::StageConfig& stage) { return stage.name == name; };
    validate(std::ranges::any_of(config_.stages, has_name), "{}: {} is no stage of {}: correct the name", step_times,
             name, config_.name);
  }
  for (const config::StageConfig& stage : config_.stages) assume(stage, measured);
  make_prompts();
}

void Simulation::assume(const config::StageConfig& stage, const std::map<std::string, StageMeasurement>& measured) {
  const bool is_target = &stage == &config_.stages.back();
  const auto entry = measured.find(stage.name);
  const bool is_known = entry != measured.end();
  validate(
      is_known || !stage.has_weights(),
      "{}: how long its passes take is not known (it has a model): measure them (pipespec bench forward), and give "
      "--step-times FILE",
      stage.where);
  const bool is_guess = stage.drafter == config::DrafterKind::prompt_lookup;
  validate(!is_guess || config_.stages.back().synthetic,
           "{}: what it guesses is not known (a simulated text has nothing to look up): leave it out with --set",
           stage.where);
  std::optional<double> agreement;
  if (stage.synthetic) agreement = stage.synthetic->agreement;
  if (is_known && entry->second.agreement) agreement = entry->second.agreement;
  validate(
      agreement || is_target || is_guess,
      "{}: how often it agrees with the stage above is not known (it has a model): add its agreement to the file of "
      "--step-times",
      stage.where);
  assumptions_.push_back({is_known ? entry->second.times : times_of(stage), agreement.value_or(0),
                          stage.synthetic ? stage.synthetic->seed : config_.seed});
}

void Simulation::make_prompts() {
  const config::StageConfig& target = config_.stages.back();
  const int new_tokens = config_.generation.max_new_tokens;
  if (target.synthetic) {
    const StageFiles files = open_stage(config_, target, Purpose::plan);
    vocabulary_ = target.synthetic->vocabulary;
    mean_length_ = target.synthetic->mean_length;
    for (auto& task : read_tasks(config_, *files.tokenizer, files.context)) {
      for (tasks::Sample& sample : task) {
        const auto length = static_cast<Position>(sample.prompt.size()) + new_tokens;
        prompts_.push_back({std::move(sample.prompt), length});
      }
    }
  } else {
    constexpr int samples = 16;
    vocabulary_ = 1 << 16;
    for (Token token = 1; token <= samples; ++token) prompts_.push_back({{token}, 1 + new_tokens});
  }
}

simulate::Summary Simulation::run(const config::ExperimentConfig& experiment, std::size_t samples,
                                  double rejections) const {
  std::vector<SyntheticText::Voice> voices;
  std::vector<int> place_of_stage;  // [stage of the configuration]
  for (std::size_t s = 0; s < assumptions_.size(); ++s) {
    place_of_stage.push_back(static_cast<int>(voices.size()));
    if (config_.stages[s].drafter == config::DrafterKind::prompt_lookup) continue;
    const Assumption& assumed = assumptions_[s];
    voices.push_back({1 - std::min(1.0, rejections * (1 - assumed.agreement)), assumed.seed});
  }
  const SyntheticText text(vocabulary_, mean_length_, std::move(voices));
  std::vector<std::unique_ptr<decoding::Drafter>> drafters;
  simulate::Chain chain{.stages = {},
                        .options = chain_options(experiment, {SyntheticText::end_token}),
                        .policy = experiment.policy,
                        .latency = latency_,
                        .sequences_in_flight = config_.sequences_in_flight};
  for (std::size_t place = 0; place < experiment.stages.size(); ++place) {
    const int stage = experiment.stages[place];
    simulate::StageModel model{.times = assumptions_[stage].times,
                               .lenience = config::lenience_at(config_, experiment, static_cast<int>(place)),
                               .is_shared = config_.stages[stage].tensor_parallel > 1};
    if (config_.stages[stage].drafter == config::DrafterKind::prompt_lookup) {
      drafters.push_back(make_drafter(config_.stages[stage]));
      model.drafter = drafters.back().get();
    } else {
      model.compute = simulate::synthetic_compute(text, place_of_stage[stage]);
    }
    chain.stages.push_back(std::move(model));
  }
  const auto count = std::min(samples, prompts_.size());
  return simulate::summarise(simulate::run(chain, std::span(prompts_).first(count)));
}

}  // namespace pipespec::app
