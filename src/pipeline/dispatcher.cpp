#include "pipeline/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace pipespec::pipeline {

Dispatcher::Dispatcher(std::vector<Sample> samples, int replicas, int in_flight)
    : samples_(std::move(samples)), replicas_(replicas), in_flight_(in_flight) {
  expect(replicas >= 1 && in_flight >= 1, "somebody decodes");
  if (replicas > 1) std::ranges::stable_sort(samples_, std::ranges::greater(), &Sample::length);
  for (std::size_t i = 0; i < samples_.size(); ++i) waiting_.insert(waiting_.end(), i);
}

std::optional<std::int32_t> Dispatcher::grant(int replica) {
  Replica& to = replicas_.at(replica);
  if (to.has_left || waiting_.empty() || to.held.size() >= share()) return std::nullopt;
  const std::size_t next = waiting_.extract(waiting_.begin()).value();
  to.held.insert(next);
  ++held_;
  return samples_[next].number;
}

/// The most that a replica may hold now.
std::size_t Dispatcher::share() const {
  const auto present = static_cast<std::size_t>(std::ranges::count(replicas_, false, &Replica::has_left));
  const std::size_t ahead = waiting_.size() >= present ? 1 : 0;
  const std::size_t even = (waiting_.size() + held_ + present - 1) / present;
  return std::min(in_flight_ + ahead, even);
}

void Dispatcher::done(int replica, std::int32_t number) {
  std::set<std::size_t>& held = replicas_.at(replica).held;
  const auto sample = std::ranges::find(held, number, [this](std::size_t i) { return samples_[i].number; });
  expect(sample != held.end(), "a replica has decoded what it was given");
  held.erase(sample);
  --held_;
}

void Dispatcher::leave(int replica) {
  Replica& from = replicas_.at(replica);
  from.has_left = true;
  held_ -= from.held.size();
  waiting_.merge(from.held);
}

}  // namespace pipespec::pipeline
