// The text of the summary.
#include <fmt/ranges.h>

#include <algorithm>

#include "results/export.hpp"
#include "results/summary.hpp"

namespace pipespec::results {
namespace {

constexpr std::size_t label_width = 30;

std::string number(const std::optional<double>& value, int decimals) {
  return value ? fmt::format("{:.{}f}", *value, decimals) : "-";
}

std::string line(std::string_view label, std::string_view tokens, std::string_view ms, std::string_view rate,
                 std::string_view median, std::string_view total, std::string_view acceptance,
                 std::string_view identical) {
  return fmt::format("{:<{}}{:>9}{:>10}{:>10}{:>9}{:>9}{:>9}{:>14}\n", label, label_width, tokens, ms, rate, median,
                     total, acceptance, identical);
}

/// The number of characters, for labels in UTF-8.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string row(const ExperimentSummary& summary) {
  const bool fits = width(summary.label) < label_width;
  const std::string compared =
      summary.compared > 0 ? fmt::format("{} of {}", summary.identical, summary.compared) : "-";
  return (fits ? "" : summary.label + "\n") +
         line(fits ? summary.label : "", fmt::to_string(summary.tokens), number(summary.ms_per_token, 3),
              number(summary.tokens_per_second, 1), number(summary.speedup_median, 2), number(summary.speedup_total, 2),
              number(summary.acceptance_length, 2), compared);
}

/// The chain, where the label does not already say it.
std::string chain_line(const ExperimentSummary& summary) {
  const bool says_it = summary.chain.size() < 2 ||
                       summary.label.find(fmt::format("{}", fmt::join(summary.chain, "+"))) != std::string::npos;
  return says_it ? "" : fmt::format("{}: stages {}\n", summary.label, fmt::join(summary.chain, ", "));
}

/// What such an experiment measures is not the speed of a sample by itself.
std::string history_line(const config::RunConfig& config, const ExperimentSummary& summary) {
  for (const std::string& name : summary.chain) {
    const auto stage = std::ranges::find(config.stages, name, &config::StageConfig::name);
    if (stage != config.stages.end() && stage->lookup.history > 0)
      return fmt::format("{}: {} looks up in the outputs of earlier samples, too (history)\n", summary.label, name);
  }
  return "";
}

std::string difference_line(const Results& results, const ExperimentSummary& summary) {
  if (!summary.first_difference) return "";
  const Difference& difference = *summary.first_difference;
  return fmt::format("{}: {} ({}) differs from autoregressive decoding at output token {}\n", summary.label,
                     difference.id, task_name(results.configuration, difference.sample.task), difference.position);
}

}  // namespace

std::string format_table(const Results& results) {
  const std::vector<ExperimentSummary> summaries = summarise(results);
  std::string text = line("", "", "", "", "speed-up", "speed-up", "tokens", "outputs");
  text += line("experiment", "tokens", "ms/token", "tokens/s", "median", "total", "a pass", "identical");
  for (const ExperimentSummary& summary : summaries) text += row(summary);
  for (const ExperimentSummary& summary : summaries)
    text += chain_line(summary) + history_line(results.configuration, summary);
  for (const ExperimentSummary& summary : summaries) text += difference_line(results, summary);
  text +=
      "Times run from the first token to the last, without prefill; the first sample of each experiment\n"
      "(cold) is left out of them where there are more. Speed-up: against autoregressive decoding of the\n"
      "same prompts, the median over prompts and of all together. A pass: of the target, without prefill.\n";
  return text;
}

}  // namespace pipespec::results
