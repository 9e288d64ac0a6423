#include <fstream>
#include <iostream>

#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "core/error.hpp"
#include "results/export.hpp"
#include "results/results_file.hpp"

namespace pipespec::app {

namespace {

results::SampleFormat format_from_name(const std::string& name) {
  if (name == "samples") return results::SampleFormat::samples;
  if (name == "human-eval") return results::SampleFormat::human_eval;
  reject("--format {} (unknown): samples or human-eval", name);
}

}  // namespace

int export_command(const ExportArguments& arguments) {
  const results::SampleFormat format = format_from_name(arguments.format);
  const results::Results results = results::read_results(arguments.results);
  if (arguments.samples == "-") {
    results::write_samples(std::cout, results, format);
    return exit_done;
  }
  std::ofstream out(arguments.samples);
  validate(out.is_open(), "--samples {}: cannot be written: check the path", arguments.samples);
  results::write_samples(out, results, format);
  out.close();
  if (!out) throw Failure(fmt::format("{}: could not be written to the end: is the disk full?", arguments.samples));
  return exit_done;
}

}  // namespace pipespec::app
