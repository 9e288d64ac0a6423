#include "app/simulation.hpp"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "app/experiment.hpp"
#include "app/stage_rank.hpp"
#include "app/workload.hpp"
#include "core/error.hpp"
#include "core/synthetic_text.hpp"
#include "model/transformer.hpp"
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

/// What a model says to one sequence after another; its cache holds the latest.
simulate::Compute model_compute(model::LanguageModel& model) {
  return [&model](const decoding::Pass& pass) {
    constexpr model::Slot slot = 0;
    model.truncate(slot, pass.begin);
    const model::Segment segment{slot, pass.begin, pass.tokens, pass.outputs};
    decoding::Guess next{std::vector<Token>(pass.outputs)};
    std::vector<float> probabilities(pass.outputs);
    model.forward({&segment, 1}, next.tokens, {}, probabilities);
    for (const float probability : probabilities) {
      next.confidences.push_back(decoding::Confidence::of_probability(probability));
    }
    return next;
  };
}

}  // namespace

Simulation::Simulation(config::RunConfig config, const std::string& step_times, const simulate::Latency& latency,
                       SimulatedText text)
    : config_(std::move(config)), latency_(latency), text_(text), models_(config_.stages.size()) {
  const auto measured =
      step_times.empty() ? std::map<std::string, StageMeasurement>() : simulate::read_step_times(step_times);
  for (const auto& [name, _] : measured) {
    const auto has_name = [&name](const config::StageConfig& stage) { return stage.name == name; };
    validate(std::ranges::any_of(config_.stages, has_name), "{}: {} is no stage of {}: correct the name", step_times,
             name, config_.name);
  }
  for (const config::StageConfig& stage : config_.stages) assume(stage, measured);
  if (config_.stages.back().synthetic || text_ == SimulatedText::of_the_models) {
    read_prompts();
  } else {
    make_prompts();
  }
  if (text_ == SimulatedText::of_the_models) load_models();
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
  const bool is_made_up = text_ == SimulatedText::made_up;
  validate(!is_guess || config_.stages.back().synthetic || !is_made_up,
           "{}: what it guesses is not known (a simulated text has nothing to look up): leave it out with --set, or "
           "give --with-models",
           stage.where);
  std::optional<double> agreement;
  if (stage.synthetic) agreement = stage.synthetic->agreement;
  if (is_known && entry->second.agreement) agreement = entry->second.agreement;
  validate(
      agreement || is_target || is_guess || !is_made_up,
      "{}: how often it agrees with the stage above is not known (it has a model): add its agreement to the file of "
      "--step-times, or give --with-models",
      stage.where);
  assumptions_.push_back({is_known ? entry->second.times : times_of(stage), agreement.value_or(0),
                          stage.synthetic ? stage.synthetic->seed : config_.seed});
}

void Simulation::make_prompts() {
  constexpr int samples = 16;
  vocabulary_ = 1 << 16;
  end_tokens_ = {SyntheticText::end_token};
  for (Token token = 1; token <= samples; ++token) {
    prompts_.push_back({{token}, 1 + config_.generation.max_new_tokens});
  }
}

void Simulation::read_prompts() {
  const config::StageConfig& target = config_.stages.back();
  const StageFiles files = open_stage(config_, target, Purpose::run);
  vocabulary_ = files.tokenizer->vocabulary_size();
  if (target.synthetic) mean_length_ = target.synthetic->mean_length;
  const auto ends = files.tokenizer->end_tokens();
  end_tokens_.assign(ends.begin(), ends.end());
  for (auto& task : read_tasks(config_, *files.tokenizer, files.context)) {
    for (tasks::Sample& sample : task) {
      const auto length = static_cast<Position>(sample.prompt.size()) + config_.generation.max_new_tokens;
      prompts_.push_back({std::move(sample.prompt), std::min(length, files.context)});
    }
  }
}

void Simulation::load_models() {
  validate(
      config_.generation.sampling.is_greedy(),
      "--with-models: tokens are drawn (models are simulated with the most likely ones): set the temperature to 0, "
      "and no repetition penalty");
  validate(
      config::most_sequences_in_flight(config_) == 1,
      "--with-models: several sequences are in flight (models are simulated with one): set sequences_in_flight to 1");
  const Position context = std::ranges::max(prompts_, {}, &simulate::Prompt::max_length).max_length;
  for (std::size_t s = 0; s < models_.size(); ++s) {
    const config::StageConfig& stage = config_.stages[s];
    if (!stage.has_weights()) continue;
    const StageFiles files = open_stage(config_, stage, Purpose::run);
    check_context(stage, files, context);
    auto model = std::make_unique<model::Transformer>(files.checkpoint, model_options(config_, stage, files, context));
    validate(model->vocabulary_size() >= vocabulary_,
             "{}: a vocabulary of {} tokens (the target has {}): leave it out where --with-models is given",
             stage.where, model->vocabulary_size(), vocabulary_);
    model->set_threads(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
    models_[s] = std::move(model);
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
                        .options = chain_options(experiment, end_tokens_),
                        .policy = experiment.policy,
                        .latency = latency_,
                        .sequences_in_flight = experiment.sequences_in_flight};
  for (std::size_t place = 0; place < experiment.stages.size(); ++place) {
    const int stage = experiment.stages[place];
    simulate::StageModel model{.times = assumptions_[stage].times,
                               .lenience = config::lenience_at(config_, experiment, static_cast<int>(place)),
                               .is_shared = config_.stages[stage].tensor_parallel > 1};
    if (config_.stages[stage].drafter == config::DrafterKind::prompt_lookup) {
      drafters.push_back(make_drafter(config_.stages[stage]));
      model.drafter = drafters.back().get();
    } else if (models_[stage]) {
      model.compute = model_compute(*models_[stage]);
    } else {
      model.compute = simulate::synthetic_compute(text, place_of_stage[stage]);
    }
    chain.stages.push_back(std::move(model));
  }
  const auto count = std::min(samples, prompts_.size());
  return simulate::summarise(simulate::run(chain, std::span(prompts_).first(count)));
}

}  // namespace pipespec::app
