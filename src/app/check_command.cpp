#include <fmt/format.h>

#include <cstdio>

#include "app/agreement.hpp"
#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "app/job.hpp"
#include "app/placement.hpp"
#include "app/stage_rank.hpp"
#include "app/workload.hpp"
#include "core/error.hpp"
#include "model/memory_plan.hpp"
#include "ops/instruction_set.hpp"

namespace pipespec::app {

namespace {

constexpr double mib = 1024.0 * 1024.0;

/// Which ranks do what, and the memory each of them will take.
void print_ranks(const config::RunConfig& config, const std::vector<StageFiles>& files, const comm::Topology& topology,
                 const std::vector<RankSite>& sites, Position positions) {
  fmt::print("{:>4}  {:<14} {:<20} {:>8}  {:>11} {:>10} {:>12} {:>11}\n", "rank", "stage", "host", "cpus",
             "weights MiB", "KV MiB", "workspace MiB", "total MiB");
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const comm::Place place = topology.place(rank);
    const config::StageConfig& stage = config.stages[place.stage.value];
    const std::string name =
        topology.shards(place.stage) > 1 ? fmt::format("{}.{}", stage.name, place.shard) : stage.name;
    const RankSite& site = sites[rank];
    fmt::print("{:>4}  {:<14} {:<20} {:>8}  ", rank, name, site.host, site.cpus);
    if (const auto& checkpoint = files[place.stage.value].checkpoint) {
      const model::MemoryPlan plan = model::memory_plan(*checkpoint, model_options(config, stage, positions),
                                                        {place.shard, topology.shards(place.stage)});
      fmt::print("{:>11.1f} {:>10.1f} {:>13.1f} {:>11.1f}\n", plan.weights / mib, plan.kv_cache / mib,
                 plan.workspace / mib, plan.total() / mib);
    } else {
      fmt::print("{:>11} {:>10} {:>13} {:>11}\n", "-", "-", "-", "-");
    }
  }
}

void print_experiments(const config::RunConfig& config, const comm::Topology& topology,
                       const std::vector<RankSite>& sites) {
  for (const config::ExperimentConfig& experiment : config.experiments) {
    const std::vector<int> threads = threads_of_ranks(config, topology, sites, experiment.stages);
    std::string chain;
    for (const int stage : experiment.stages) {
      const int of_leader = threads[topology.leader({stage})];
      chain += fmt::format("{}{}{}", chain.empty() ? "" : " > ", config.stages[stage].name,
                           of_leader > 0 ? fmt::format(" ({} thread{})", of_leader, of_leader > 1 ? "s" : "") : "");
    }
    fmt::print("  {:<28} {}\n", experiment.label, chain);
  }
}

void check(const RunArguments& arguments, const std::vector<RankSite>& launched) {
  const config::RunConfig config = config::load(arguments.config, arguments.overrides);
  const comm::Topology topology = topology_of(config);
  std::vector<StageFiles> files;
  for (const config::StageConfig& stage : config.stages) files.push_back(open_stage(config, stage));
  const Position context = files.back().checkpoint->architecture().context;
  const auto samples = read_tasks(config, *files.back().tokenizer, context);
  const Position positions = positions_needed(samples, config.generation.max_new_tokens, context);
  for (std::size_t s = 0; s < files.size(); ++s) check_context(config.stages[s], files[s], positions);

  const bool is_full_launch = static_cast<int>(launched.size()) == topology.ranks();
  const std::vector<RankSite> sites = is_full_launch ? launched : std::vector<RankSite>(topology.ranks(), launched[0]);
  fmt::print("{}", config::to_yaml(config));
  fmt::print("\nconfiguration hash: {}\n", config::hash(config));
  fmt::print("instruction set: {}\n", ops::instruction_set());
  fmt::print("vocabularies: the same {} tokens in every stage with a model\n",
             files.back().tokenizer->vocabulary_size());
  const auto chat = chat_format_of(config);
  const bool has_template = !files.back().tokenizer->chat_template().empty();
  fmt::print("chat form: {}\n", chat           ? text::name(*chat)
                                : has_template ? text::name(text::chat_format_of(*files.back().tokenizer))
                                               : "none (the model has no template)");
  fmt::print("positions of the longest sample: {}\n\n", positions);
  print_ranks(config, files, topology, sites, positions);
  fmt::print("\nexperiments:\n");
  print_experiments(config, topology, sites);
  std::int64_t count = 0;
  for (const auto& task : samples) count += std::ssize(task);
  fmt::print("\n{} samples in {} tasks, {} experiments\n", count, samples.size(), config.experiments.size());
  if (!is_full_launch) fmt::print("placement shown as if all ranks ran on this host\n");
  fmt::print("launch: mpirun -n {} pipespec run {}\n", topology.ranks(), arguments.config);
}

}  // namespace

int check_command(const comm::Communicator& world, const RunArguments& arguments) {
  const std::vector<RankSite> sites = gather_sites(world);
  together(world, [&] {
    if (world.rank() == 0) check(arguments, sites);
  });
  return exit_done;
}

}  // namespace pipespec::app
