/// The experiments of a configuration in virtual time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "decoding/drafter.hpp"
#include "model/language_model.hpp"
#include "simulate/pipeline.hpp"
#include "simulate/summary.hpp"

namespace pipespec::app {

/// What stages with models say.
enum class SimulatedText {
  made_up,       ///< they agree at random, as often as was measured
  of_the_models  ///< what they say in a run; they are loaded, and decode one sequence at a time, greedily
};

/// What is known of the stages and their work. Where the target is synthetic, and where the text is that of the models,
/// the prompts are those of the tasks and every token is what a run gives, but that no stop string ends an answer.
class Simulation {
 public:
  /// `step_times`: file of measurements (simulate/step_times.hpp), which go before what the configuration says of
  /// synthetic stages; empty: none. UserError where the time or the agreement of a stage is not known, or a task or a
  /// model cannot be read.
  Simulation(config::RunConfig config, const std::string& step_times, const simulate::Latency& latency,
             SimulatedText text);

  const config::RunConfig& config() const { return config_; }
  const simulate::Latency& latency() const { return latency_; }
  SimulatedText text() const { return text_; }

  /// Decodes the first `samples` prompts, each stage rejected `rejections` times as often as it is.
  simulate::Summary run(const config::ExperimentConfig& experiment, std::size_t samples, double rejections = 1) const;
  simulate::Summary run(const config::ExperimentConfig& experiment) const { return run(experiment, prompts_.size()); }

 private:
  void assume(const config::StageConfig& stage, const std::map<std::string, simulate::StageMeasurement>& measured);
  void make_prompts();
  void read_prompts();
  void load_models();

  struct Assumption {  // of a stage
    simulate::StepTimes times;
    double agreement = 0;
    std::uint64_t seed = 0;
  };

  config::RunConfig config_;
  simulate::Latency latency_;
  SimulatedText text_;
  std::vector<Assumption> assumptions_;  // [stage]
  int vocabulary_;
  double mean_length_ = 0;
  std::vector<simulate::Prompt> prompts_;
  std::vector<Token> end_tokens_;
  std::vector<std::unique_ptr<model::LanguageModel>> models_;  // [stage] of those that are loaded
};

}  // namespace pipespec::app
