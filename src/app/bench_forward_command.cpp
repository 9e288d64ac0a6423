#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/commands.hpp"
#include "app/draft_vocabulary.hpp"
#include "app/exit_status.hpp"
#include "app/format_names.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "device/device.hpp"
#include "model/transformer.hpp"
#include "ops/instruction_set.hpp"
#include "ops/machine_rates.hpp"

namespace pipespec::app {

namespace {

using Json = nlohmann::ordered_json;

/// What the machine reaches with this many threads, in the same run.
struct MachineRates {
  int threads = 0;
  double copy_gb = 0, read_gb = 0, dot_gflops = 0;
};

struct Measurement {
  int threads = 0, context = 0, rows = 0;
  double median = 0, minimum = 0;  // seconds a pass
  double gb = 0, gflops = 0;       // per second, at the median
  model::OperationTimes times;     // seconds a pass, mean
};

std::unique_ptr<ops::InstructionSetGuard> use_instruction_set(const std::string& name) {
  if (name.empty()) return nullptr;
  const std::vector<std::string> available = ops::available_instruction_sets();
  validate(std::find(available.begin(), available.end(), name) != available.end(),
           "--instruction-set {} (this machine and build have {})", name, fmt::join(available, ", "));
  return std::make_unique<ops::InstructionSetGuard>(name);
}

MachineRates measure_machine(int threads) {
  device::Stream stream(device::Device::host(), threads);
  return {threads, ops::measure_copy_bandwidth(stream), ops::measure_read_bandwidth(stream),
          ops::measure_dot_rate(stream)};
}

/// Fills the cache up to `context` and times passes over `rows` rows there.
Measurement measure_passes(model::Transformer& model, int context, int rows, int outputs, int repetitions) {
  std::vector<Token> tokens(context + rows);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<Token>((i * 7919 + 13) % model.vocabulary_size());
  model.truncate(0, 0);
  const model::Segment prompt{0, 0, std::span(tokens).first(context), 0};
  if (context > 0) model.forward({&prompt, 1}, {});
  std::vector<Token> next(outputs > 0 ? std::min(outputs, rows) : rows);
  const model::Segment pass{0, context, std::span(tokens).subspan(context), static_cast<int>(next.size())};
  Measurement result;
  result.context = context;
  result.rows = rows;
  std::vector<double> seconds;
  for (int i = -1; i < repetitions; ++i) {  // the first pass warms up
    model.truncate(0, context);
    model.measure(i >= 0 ? &result.times : nullptr);
    const double begin = steady_seconds();
    model.forward({&pass, 1}, next);
    if (i >= 0) seconds.push_back(steady_seconds() - begin);
  }
  model.measure(nullptr);
  for (double& s : result.times.seconds) s /= repetitions;
  std::sort(seconds.begin(), seconds.end());
  result.minimum = seconds.front();
  result.median = seconds[seconds.size() / 2];
  result.gb = model.weight_bytes() / result.median * 1e-9;
  const double multiply_adds = static_cast<double>(model.multiply_adds_per_row()) * rows -
                               static_cast<double>(model.head_multiply_adds()) * (rows - std::ssize(next));
  result.gflops = 2.0 * multiply_adds / result.median * 1e-9;
  return result;
}

void print_table(const std::vector<MachineRates>& machine, const std::vector<Measurement>& all) {
  for (const MachineRates& m : machine) {
    fmt::print("machine, {} thread{}: copy {:.1f} GB/s, read {:.1f} GB/s, f32 multiply-add {:.1f} GFLOP/s\n", m.threads,
               m.threads > 1 ? "s" : "", m.copy_gb, m.read_gb, m.dot_gflops);
  }
  fmt::print("\n{:>7} {:>7} {:>5} {:>10} {:>9} {:>6} {:>7} {:>8}   time by operation, % of the pass\n", "threads",
             "context", "rows", "median ms", "min ms", "ratio", "GB/s", "GFLOP/s");
  double one_row = 0;
  int threads = 0, context = -1;
  for (const Measurement& m : all) {
    if (m.threads != threads || m.context != context) one_row = 0;
    threads = m.threads, context = m.context;
    if (m.rows == 1) one_row = m.median;
    fmt::print("{:>7} {:>7} {:>5} {:>10.3f} {:>9.3f} {:>6} {:>7.1f} {:>8.1f}  ", m.threads, m.context, m.rows,
               m.median * 1e3, m.minimum * 1e3, one_row > 0 ? fmt::format("{:.2f}", m.median / one_row) : "-", m.gb,
               m.gflops);
    double sum = 0;
    for (const double s : m.times.seconds) sum += s;
    for (std::size_t o = 0; o < model::operation_names.size(); ++o) {
      const double share = sum > 0 ? 100 * m.times.seconds[o] / sum : 0;
      if (share >= 3) fmt::print(" {} {:.0f}", model::operation_names[o], share);
    }
    fmt::print("\n");
  }
}

void print_json(const std::string& path, std::int64_t weight_bytes, const std::vector<MachineRates>& machine,
                const std::vector<Measurement>& all) {
  Json json;
  json["machine"] = {{"device", device::Device::host().name()}, {"instruction_set", ops::instruction_set()}};
  for (const MachineRates& m : machine) {
    json["machine"]["rates"].push_back({{"threads", m.threads},
                                        {"copy_gb_per_s", m.copy_gb},
                                        {"read_gb_per_s", m.read_gb},
                                        {"dot_gflop_per_s", m.dot_gflops}});
  }
  json["model"] = path;
  json["weight_bytes"] = weight_bytes;
  json["results"] = Json::array();
  for (const Measurement& m : all) {
    Json operations;
    for (std::size_t o = 0; o < model::operation_names.size(); ++o) {
      operations[std::string(model::operation_names[o])] = m.times.seconds[o] * 1e3;
    }
    json["results"].push_back({{"rows", m.rows},
                               {"threads", m.threads},
                               {"context", m.context},
                               {"ms", m.median * 1e3},
                               {"min_ms", m.minimum * 1e3},
                               {"gb_per_s", m.gb},
                               {"gflop_per_s", m.gflops},
                               {"operation_ms", operations}});
  }
  fmt::print("{}\n", json.dump(1));
}

}  // namespace

int bench_forward_command(const BenchForwardArguments& arguments) {
  const auto guard = use_instruction_set(arguments.instruction_set);
  const auto checkpoint = model::Checkpoint::open(arguments.model);
  const int longest = *std::max_element(arguments.context.begin(), arguments.context.end()) +
                      *std::max_element(arguments.rows.begin(), arguments.rows.end());
  validate(longest <= checkpoint->architecture().context,
           "--context and --rows ask for {} positions (the model's context is {}): ask for fewer", longest,
           checkpoint->architecture().context);
  model::ModelOptions options{.weights = weight_format_from_name(arguments.weights),
                              .kv_cache = kv_type_from_name(arguments.kv_cache),
                              .context = longest};
  if (arguments.draft_vocabulary > 0)
    options.draft_vocabulary =
        draft_tokens({.first = arguments.draft_vocabulary}, checkpoint->architecture().vocabulary, {});
  model::Transformer model(checkpoint, options);
  std::vector<MachineRates> machine;
  std::vector<Measurement> all;
  for (const int threads : arguments.threads) {
    machine.push_back(measure_machine(threads));
    model.set_threads(threads);
    for (const int context : arguments.context) {
      for (const int rows : arguments.rows) {
        all.push_back(measure_passes(model, context, rows, arguments.outputs, arguments.repetitions));
        all.back().threads = threads;
      }
    }
  }
  if (arguments.is_json) {
    print_json(arguments.model, model.weight_bytes(), machine, all);
  } else {
    print_table(machine, all);
  }
  return exit_done;
}

}  // namespace pipespec::app
