#include "results/export.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "results/columns.hpp"

namespace pipespec::results {
namespace {

using nlohmann::ordered_json;

ordered_json sample_line(const config::RunConfig& config, const SampleRecord& sample) {
  const config::ExperimentConfig& experiment = config.experiments.at(static_cast<std::size_t>(sample.experiment));
  return {{"experiment", experiment.label},
          {"strategy", config::name(experiment.strategy)},
          {"task", task_name(config, sample.task)},
          {"id", sample.id},
          {"prompt_tokens", sample.prompt_length},
          {"tokens", sample.tokens.size()},
          {"token_ids", sample.tokens},
          {"text", sample.text},
          {"finish", name(sample.finish)},
          {"prefill_seconds", sample.first_token - sample.start},
          {"seconds", sample.end - sample.first_token}};
}

ordered_json human_eval_line(const SampleRecord& sample) {
  return {{"task_id", sample.id}, {"completion", sample.text}};
}

}  // namespace

void write_samples(std::ostream& out, const Results& results, SampleFormat format) {
  for (const CompletedSample& completed : results.samples) {
    const ordered_json line = format == SampleFormat::human_eval ? human_eval_line(completed.sample)
                                                                 : sample_line(results.configuration, completed.sample);
    // A text that is cut inside a character is no UTF-8; the damaged bytes become U+FFFD, as JSON must be UTF-8.
    out << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
  }
  out.flush();
  if (!out) throw Failure("the samples cannot be written (is the disk full?)");
}

std::string task_name(const config::RunConfig& config, int task) {
  const std::string& preset = config.tasks.at(static_cast<std::size_t>(task)).preset;
  const auto alike = std::ranges::count(config.tasks, preset, &config::TaskConfig::preset);
  return alike == 1 ? preset : fmt::format("{}#{}", preset, task);
}

std::string_view name(FinishReason reason) {
  return enumeration_names<FinishReason>.at(static_cast<std::size_t>(reason));
}

}  // namespace pipespec::results
