#include "model/synthetic_model.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/precise_sleep.hpp"

namespace pipespec::model {

namespace {

// What has come meanwhile is looked for between layers. Models have some 30; shorter sleeps would cost a core too much.
constexpr int layers = 32;
constexpr double shortest_layer = 1e-4;  ///< seconds

}  // namespace

SyntheticModel::SyntheticModel(SyntheticText text, int stage, const SyntheticTimes& times, int slots, Position context)
    : text_(std::move(text)), stage_(stage), times_(times), context_(context), caches_(slots) {
  expect(stage >= 0 && stage < text_.stages(), "a synthetic model is a stage of its text");
}

void SyntheticModel::truncate(Slot slot, Position length) {
  expect(length >= 0 && length <= this->length(slot), "a cache is cut, never extended, by truncate");
  caches_[slot].resize(length);
}

Position SyntheticModel::share(Slot from, Slot to, Position length) {
  expect(from != to && length >= 0 && length <= this->length(from), "another slot's positions are shared");
  caches_[to].assign(caches_[from].begin(), caches_[from].begin() + length / block_positions * block_positions);
  return this->length(to);
}

bool SyntheticModel::forward(std::span<const Segment> segments, std::span<Token> next, const KeepGoing& keep_going,
                             std::span<float> /*probabilities*/) {
  const double begin = steady_seconds();
  std::size_t rows = 0;
  for (const Segment& segment : segments) {
    expect(segment.begin == length(segment.slot), "a pass begins where the cache ends");
    expect(segment.begin + std::ssize(segment.tokens) <= context_, "a slot has room for the rows");
    text_.pass(stage_, segment.tokens, caches_[segment.slot], next.first(segment.outputs));
    next = next.subspan(segment.outputs);
    rows += segment.tokens.size();
  }
  const double end = begin + times_.pass + static_cast<double>(rows) * times_.row;
  const std::chrono::duration<double> layer(std::max((end - begin) / layers, shortest_layer));
  sharpen_timers();
  while (keep_going && steady_seconds() + layer.count() + shortest_layer / 2 < end) {  // waking up takes some of it
    std::this_thread::sleep_for(layer);
    if (keep_going()) continue;
    for (const Segment& segment : segments) truncate(segment.slot, segment.begin);
    return false;
  }
  sleep_until(end);
  return true;
}

}  // namespace pipespec::model
