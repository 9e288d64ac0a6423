#include "app/job.hpp"

#include "app/agreement.hpp"
#include "core/error.hpp"

namespace pipespec::app {

std::string rank_name(const config::RunConfig& config, const comm::Topology& topology, int rank) {
  const comm::Place place = topology.place(rank);
  const std::string& stage = config.stages[place.stage.value].name;
  return topology.shards(place.stage) > 1 ? fmt::format("{}.{}", stage, place.shard) : stage;
}

comm::Topology topology_of(const config::RunConfig& config) {
  std::vector<int> ranks;
  for (const config::StageConfig& stage : config.stages) ranks.push_back(stage.tensor_parallel);
  return comm::Topology(std::move(ranks), config.replicas);
}

Job open_job(const comm::Communicator& world, const std::string& file, const std::vector<std::string>& overrides) {
  config::RunConfig config = together(world, [&] { return config::load(file, overrides); });
  const std::vector<std::string> hashes = world.gather_all(config::hash(config));
  comm::Topology topology = topology_of(config);
  together(world, [&] {
    for (int rank = 0; rank < world.size(); ++rank) {
      validate(hashes[rank] == hashes[0],
               "{}: rank {} reads another configuration than rank 0 ({} instead of {}): give all hosts the same file",
               file, rank, hashes[rank], hashes[0]);
    }
    const std::string taken = topology.replicas() == 1
                                  ? fmt::format("its stages take {}", topology.ranks())
                                  : fmt::format("its {} replicas of {} ranks each take {}", topology.replicas(),
                                                topology.ranks_of_replica(), topology.ranks());
    validate(world.size() == topology.ranks(), "{}: launched with {} ranks ({}): mpirun -n {} pipespec …", file,
             world.size(), taken, topology.ranks());
  });
  const comm::Place place = topology.place(world.rank());
  return {world, std::move(config), std::move(topology), place};
}

}  // namespace pipespec::app
