#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "app/simulation.hpp"
#include "core/error.hpp"

namespace pipespec::app {

namespace {

using Json = nlohmann::ordered_json;
using config::ExperimentConfig;
using config::Strategy;
using simulate::Summary;

constexpr std::size_t samples_of_variants = 8;

/// An experiment with one thing changed.
struct Variant {
  std::string value;  ///< of what is changed
  double ms_per_token = 0;
};

/// The variants of one experiment by what is changed.
struct Sensitivity {
  std::vector<Variant> rejections;  ///< how often stages are rejected, as a multiple of what is assumed
  std::vector<Variant> depth;       ///< window of `pipespec`, lookahead of `speculative`
  std::vector<Variant> chain;       ///< without some of the stages
};

struct Prediction {
  ExperimentConfig experiment;
  Summary summary;
  double speedup = 0;
  Sensitivity sensitivity;
};

std::string_view name_of_depth(const ExperimentConfig& experiment) {
  return experiment.strategy == Strategy::speculative ? "lookahead" : "window";
}

/// All chains that keep the target and at least one stage below, but for those that put prompt_lookup above a stage.
std::vector<std::vector<int>> chains_within(const config::RunConfig& config, const std::vector<int>& whole) {
  std::vector<std::vector<int>> chains;
  const auto below = whole.size() - 1;
  for (std::size_t choice = 1; choice < (std::size_t{1} << below); ++choice) {
    std::vector<int> chain;
    for (std::size_t s = 0; s < below; ++s)
      if ((choice >> s & 1) != 0) chain.push_back(whole[s]);
    chain.push_back(whole.back());
    const auto is_lookup = [&](int stage) {
      return config.stages[stage].drafter == config::DrafterKind::prompt_lookup;
    };
    if (std::none_of(chain.begin() + 1, chain.end(), is_lookup)) chains.push_back(std::move(chain));
  }
  return chains;
}

Sensitivity vary(const Simulation& simulation, const ExperimentConfig& experiment) {
  Sensitivity sensitivity;
  const auto predict = [&](const ExperimentConfig& changed, double rejections = 1) {
    return simulation.run(changed, samples_of_variants, rejections).ms_per_token;
  };
  for (const double factor : {0.25, 0.5, 1.0, 2.0, 4.0}) {
    sensitivity.rejections.push_back({fmt::format("{}", factor), predict(experiment, factor)});
  }
  for (const int depth : {2, 4, 8, 16, 32}) {
    ExperimentConfig changed = experiment;
    changed.window = changed.lookahead = depth;
    sensitivity.depth.push_back({fmt::to_string(depth), predict(changed)});
  }
  constexpr std::size_t longest = 5;  // 15 chains
  if (experiment.stages.size() < 3 || experiment.stages.size() > longest) return sensitivity;
  for (std::vector<int>& chain : chains_within(simulation.config(), experiment.stages)) {
    ExperimentConfig changed = experiment;
    changed.stages = std::move(chain);
    const std::vector<std::string> names = stage_names(simulation.config(), changed);
    sensitivity.chain.push_back({fmt::format("{}", fmt::join(names, "+")), predict(changed)});
  }
  return sensitivity;
}

std::vector<Prediction> predict(const Simulation& simulation) {
  const config::RunConfig& config = simulation.config();
  ExperimentConfig alone;
  alone.strategy = Strategy::autoregressive;
  alone.stages = {static_cast<int>(config.stages.size()) - 1};
  const double baseline = simulation.run(alone).ms_per_token;
  std::vector<Prediction> predictions;
  for (const ExperimentConfig& experiment : config.experiments) {
    Prediction prediction{experiment, simulation.run(experiment), 0, {}};
    if (prediction.summary.ms_per_token > 0) prediction.speedup = baseline / prediction.summary.ms_per_token;
    const bool is_varied = experiment.stages.size() > 1 && simulation.text() == SimulatedText::made_up;
    if (is_varied) prediction.sensitivity = vary(simulation, experiment);
    predictions.push_back(std::move(prediction));
  }
  return predictions;
}

// --------------------------------------------------------------------------------------------------------- text

void print_variants(std::string_view what, const std::vector<Variant>& variants) {
  std::string line;
  for (const Variant& v : variants)
    line += fmt::format("{}{}: {:.3f}", line.empty() ? "" : ", ", v.value, v.ms_per_token);
  fmt::print("  {:<14} {}\n", what, line);
}

void print_text(const Simulation& simulation, const std::vector<Prediction>& predictions) {
  fmt::print("{:<30}{:>9}{:>10}{:>10}{:>10}{:>9}{:>10}   stages busy, %\n", "", "", "", "", "", "tokens", "messages");
  fmt::print("{:<30}{:>9}{:>10}{:>10}{:>10}{:>9}{:>10}\n", "experiment", "tokens", "ms/token", "tokens/s", "speed-up",
             "a pass", "a token");
  for (const Prediction& p : predictions) {
    const Summary& s = p.summary;
    const std::vector<std::string> names = stage_names(simulation.config(), p.experiment);
    std::string busy;
    for (std::size_t i = 0; i < names.size(); ++i) busy += fmt::format(" {} {:.0f}", names[i], 100 * s.busy[i]);
    fmt::print("{:<30}{:>9}{:>10.3f}{:>10.1f}{:>10.2f}{:>9.2f}{:>10.2f}  {}\n", p.experiment.label, s.tokens,
               s.ms_per_token, s.tokens_per_second, p.speedup, s.tokens_per_pass, s.messages_per_token, busy);
  }
  for (const Prediction& p : predictions) {
    if (p.sensitivity.depth.empty()) continue;
    fmt::print("\n{}: ms per token with other\n", p.experiment.label);
    print_variants("rejections, x", p.sensitivity.rejections);
    print_variants(name_of_depth(p.experiment), p.sensitivity.depth);
    if (!p.sensitivity.chain.empty()) print_variants("chain", p.sensitivity.chain);
  }
  const simulate::Latency& latency = simulation.latency();
  fmt::print("\nVirtual time, messages on their way for {} ms{}. Times run from the first token to the last.\n",
             1e3 * latency.seconds, latency.jitter > 0 ? fmt::format(" ± {} ms", 1e3 * latency.jitter) : "");
}

// --------------------------------------------------------------------------------------------------------- JSON

Json variants_json(const std::vector<Variant>& variants) {
  Json json = Json::object();
  for (const Variant& v : variants) json[v.value] = v.ms_per_token;
  return json;
}

void print_json(const Simulation& simulation, const std::vector<Prediction>& predictions) {
  Json json;
  json["name"] = simulation.config().name;
  json["latency_ms"] = 1e3 * simulation.latency().seconds;
  json["jitter_ms"] = 1e3 * simulation.latency().jitter;
  json["experiments"] = Json::array();
  for (const Prediction& p : predictions) {
    const std::vector<std::string> names = stage_names(simulation.config(), p.experiment);
    Json busy = Json::object();
    for (std::size_t i = 0; i < names.size(); ++i) busy[names[i]] = p.summary.busy[i];
    Json each{{"label", p.experiment.label},
              {"strategy", config::name(p.experiment.strategy)},
              {"stages", names},
              {"tokens", p.summary.tokens},
              {"ms_per_token", p.summary.ms_per_token},
              {"tokens_per_second", p.summary.tokens_per_second},
              {"speedup", p.speedup},
              {"tokens_per_pass", p.summary.tokens_per_pass},
              {"messages_per_token", p.summary.messages_per_token},
              {"busy", busy}};
    if (!p.sensitivity.depth.empty()) {
      each["ms_per_token_with"] = {{"rejections", variants_json(p.sensitivity.rejections)},
                                   {name_of_depth(p.experiment), variants_json(p.sensitivity.depth)},
                                   {"chain", variants_json(p.sensitivity.chain)}};
    }
    json["experiments"].push_back(std::move(each));
  }
  fmt::print("{}\n", json.dump(1));
}

}  // namespace

int simulate_command(const SimulateArguments& arguments) {
  validate(arguments.jitter_ms <= arguments.latency_ms,
           "--jitter-ms {} (more than --latency-ms {}, and no message arrives before it is sent): lower it",
           arguments.jitter_ms, arguments.latency_ms);
  const Simulation simulation(config::load(arguments.config, arguments.overrides), arguments.step_times,
                              {1e-3 * arguments.latency_ms, 1e-3 * arguments.jitter_ms},
                              arguments.with_models ? SimulatedText::of_the_models : SimulatedText::made_up);
  const std::vector<Prediction> predictions = predict(simulation);
  if (arguments.is_json) {
    print_json(simulation, predictions);
  } else {
    print_text(simulation, predictions);
  }
  return exit_done;
}

}  // namespace pipespec::app
