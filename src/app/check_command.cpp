#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "app/agreement.hpp"
#include "app/cards.hpp"
#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "app/job.hpp"
#include "app/placement.hpp"
#include "app/process_memory.hpp"
#include "app/stage_rank.hpp"
#include "app/synthetic_stages.hpp"
#include "app/workload.hpp"
#include "core/error.hpp"
#include "model/memory_plan.hpp"
#include "ops/instruction_set.hpp"

namespace pipespec::app {

namespace {

constexpr double mib = 1024.0 * 1024.0;

/// What is to be decoded.
struct Workload {
  std::int64_t samples = 0;
  Position positions = 0;  ///< of the longest sample; where there is no tokenizer, as many as every stage can hold
};

Workload read_workload(const config::RunConfig& config, const std::vector<StageFiles>& files) {
  const StageFiles& target = files.back();
  if (!target.tokenizer) return {count_samples(config), most_positions(config, files)};
  const auto tasks = read_tasks(config, *target.tokenizer, target.context);
  Workload workload{0, positions_needed(tasks, config.generation.max_new_tokens, target.context)};
  for (const auto& task : tasks) workload.samples += std::ssize(task);
  return workload;
}

/// "6,738,415,616"
std::string grouped(std::int64_t number) {
  return number < 1000 ? fmt::to_string(number) : fmt::format("{},{:03}", grouped(number / 1000), number % 1000);
}

/// What each model is, and what its folder lacks.
void print_models(const config::RunConfig& config, const std::vector<StageFiles>& files) {
  fmt::print("models:\n");
  for (std::size_t s = 0; s < files.size(); ++s) {
    if (const auto& synthetic = config.stages[s].synthetic)
      fmt::print("  {:<14} synthetic: {}\n", config.stages[s].name, describe(*synthetic));
    if (!files[s].checkpoint) continue;
    const model::Checkpoint& checkpoint = *files[s].checkpoint;
    const model::Architecture& a = checkpoint.architecture();
    const auto type = checkpoint.tensor(model::TensorRole::query).type;
    fmt::print("  {:<14} {}: {} parameters in {} layers, {}{}{}\n", config.stages[s].name, checkpoint.source(),
               grouped(model::parameter_count(a)), a.layers, ops::to_string(type),
               checkpoint.has_weights() ? "" : ", weights missing", files[s].tokenizer ? "" : ", tokenizer missing");
  }
}

void print_vocabularies(const config::RunConfig& config, const std::vector<StageFiles>& files) {
  bool have_tokens = true, have_one_size = true;
  std::string sizes;
  for (std::size_t s = 0; s < files.size(); ++s) {
    if (!files[s].checkpoint) continue;  // synthetic stages have been held against their target
    const int size = files[s].checkpoint->architecture().vocabulary;
    have_tokens = have_tokens && files[s].tokenizer;
    have_one_size = have_one_size && size == files.back().checkpoint->architecture().vocabulary;
    sizes += fmt::format("{}{} {}", sizes.empty() ? "" : ", ", config.stages[s].name, size);
  }
  if (have_tokens) {
    fmt::print("vocabularies: the same {} tokens in every stage with a model\n",
               files.back().tokenizer->vocabulary_size());
  } else {
    fmt::print("vocabularies: {} entries ({}; without the tokenizers, nothing but sizes can be compared)\n", sizes,
               have_one_size ? "the same size" : "NOT the same size: a run may refuse them");
  }
}

void print_workload(const config::RunConfig& config, const std::vector<StageFiles>& files, const Workload& workload) {
  const auto& tokenizer = files.back().tokenizer;
  const auto chat = chat_format_of(config);
  if (chat) {
    fmt::print("chat form: {}\n", text::name(*chat));
  } else if (!tokenizer) {
    fmt::print("chat form: as the target's template asks for (its tokenizer is missing)\n");
  } else {
    const auto format = text::find_chat_format(tokenizer->chat_template());
    fmt::print("chat form: {}\n", format ? text::name(*format) : "none (the model has no template of a known form)");
  }
  if (tokenizer) {
    fmt::print("positions of the longest sample: {}\n", workload.positions);
  } else {
    fmt::print(
        "positions planned for: {}, as many as every stage can hold (without the target's tokenizer, the "
        "samples' lengths are not known)\n",
        workload.positions);
  }
}

/// Which ranks do what, the memory each of them will take, and the smallest card that holds it. Returns the bytes of
/// every rank with a model.
std::vector<std::int64_t> print_ranks(const config::RunConfig& config, const std::vector<StageFiles>& files,
                                      const comm::Topology& topology, const std::vector<RankSite>& sites,
                                      Position positions) {
  std::vector<std::int64_t> totals;
  std::size_t host_width = std::string_view("host").size(), cpus_width = std::string_view("cpus").size();
  for (const RankSite& site : sites) {
    host_width = std::max(host_width, site.host.size());
    cpus_width = std::max(cpus_width, site.cpus.size());
  }
  fmt::print("{:>4}  {:<14} {:<{}} {:>{}} {:>11} {:>13} {:>9} {:>13} {:>10}  {}\n", "rank", "stage", "host", host_width,
             "cpus", cpus_width, "weights MiB", "embedding MiB", "KV MiB", "workspace MiB", "total MiB", "card");
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const comm::Place place = topology.place(rank);
    if (topology.replicas() > 1 && rank % topology.ranks_of_replica() == 0) fmt::print("replica {}\n", place.replica);
    const config::StageConfig& stage = config.stages[place.stage.value];
    const std::string name = rank_name(config, topology, rank);
    const RankSite& site = sites[rank];
    fmt::print("{:>4}  {:<14} {:<{}} {:>{}} ", rank, name, site.host, host_width, site.cpus, cpus_width);
    const StageFiles& stage_files = files[place.stage.value];
    if (const auto& checkpoint = stage_files.checkpoint) {
      const model::MemoryPlan plan =
          model::memory_plan(*checkpoint, model_options(config, stage, stage_files, positions),
                             {place.shard, topology.shards(place.stage)});
      const auto card = smallest_card(plan.total());
      fmt::print("{:>11.1f} {:>13.1f} {:>9.1f} {:>13.1f} {:>10.1f}  {}\n", plan.weights / mib, plan.embedding / mib,
                 plan.kv_cache / mib, plan.workspace / mib, plan.total() / mib,
                 card ? fmt::format("{} GiB", *card) : "none");
      totals.push_back(plan.total());
    } else {
      fmt::print("{:>11} {:>13} {:>9} {:>13} {:>10}  {}\n", "-", "-", "-", "-", "-", "-");
    }
  }
  return totals;
}

/// Which cards hold how many of the ranks.
void print_cards(const std::vector<std::int64_t>& totals) {
  if (totals.empty()) return;
  std::string line;
  for (const int gib : card_sizes) {
    const auto count = std::ranges::count_if(totals, [&](std::int64_t bytes) { return holds(gib, bytes); });
    line += fmt::format("{} {} GiB holds {}", line.empty() ? "" : ",", gib,
                        count == std::ssize(totals) ? "all" : fmt::format("{} of {}", count, totals.size()));
  }
  fmt::print("one card a rank, {:.0f} % of it kept free:{}\n", 100 * (1 - usable_part), line);
  if (const auto card = smallest_card(std::ranges::max(totals))) {
    fmt::print("smallest cards for the whole run: {} GiB\n", *card);
  } else {
    fmt::print("no card holds the largest rank: raise tensor_parallel, or lower context or weights\n");
  }
}

void print_experiments(const config::RunConfig& config, const comm::Topology& topology,
                       const std::vector<RankSite>& sites) {
  std::size_t width = 0;
  for (const config::ExperimentConfig& experiment : config.experiments)
    width = std::max(width, experiment.label.size());
  for (const config::ExperimentConfig& experiment : config.experiments) {
    const std::vector<int> threads = threads_of_ranks(config, topology, sites, experiment.stages);
    std::string shown;
    for (int replica = 0; replica < topology.replicas(); ++replica) {
      std::string chain;
      for (const int stage : experiment.stages) {
        const int of_leader = threads[topology.leader({stage}, replica)];
        chain += fmt::format("{}{}{}", chain.empty() ? "" : " > ", config.stages[stage].name,
                             of_leader > 0 ? fmt::format(" ({} thread{})", of_leader, of_leader > 1 ? "s" : "") : "");
      }
      if (chain == shown) continue;  // as in the replica before it
      fmt::print("  {:<{}}  {}{}\n", experiment.label, width, chain,
                 replica > 0 ? fmt::format(" (from replica {} on)", replica) : "");
      shown = chain;
    }
  }
}

void check(const RunArguments& arguments, const std::vector<RankSite>& launched) {
  const config::RunConfig config = config::load(arguments.config, arguments.overrides);
  const comm::Topology topology = topology_of(config);
  std::vector<StageFiles> files;
  for (const config::StageConfig& stage : config.stages) files.push_back(open_stage(config, stage, Purpose::plan));
  const Workload workload = read_workload(config, files);
  for (std::size_t s = 0; s < files.size(); ++s) check_context(config.stages[s], files[s], workload.positions);

  const bool is_full_launch = static_cast<int>(launched.size()) == topology.ranks();
  const std::vector<RankSite> sites = is_full_launch ? launched : std::vector<RankSite>(topology.ranks(), launched[0]);
  fmt::print("{}", config::to_yaml(config));
  fmt::print("\nconfiguration hash: {}\n", config::hash(config));
  fmt::print("instruction set: {}\n", ops::instruction_set());
  print_models(config, files);
  print_vocabularies(config, files);
  print_workload(config, files, workload);
  fmt::print("\n");
  print_cards(print_ranks(config, files, topology, sites, workload.positions));
  fmt::print("on the host, a rank takes {:.1f} MiB besides, for the program, its libraries and the vocabulary\n",
             process_memory().resident / mib);
  fmt::print("\nexperiments:\n");
  print_experiments(config, topology, sites);
  fmt::print("\n{} samples in {} tasks, {} experiments\n", workload.samples, config.tasks.size(),
             config.experiments.size());
  if (!is_full_launch) fmt::print("placement shown as if all ranks ran on this host\n");
  const auto lacks_weights = [](const StageFiles& stage) {
    return stage.checkpoint && !stage.checkpoint->has_weights();
  };
  if (std::ranges::any_of(files, lacks_weights)) {
    fmt::print("a run needs the weights: give the checkpoints' folders, --set stages.0.model=FOLDER and so on\n");
  }
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
