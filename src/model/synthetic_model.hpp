/// A model without weights that takes a set time: for trying a cluster, a network or a policy.
#pragma once

#include <vector>

#include "core/synthetic_text.hpp"
#include "model/language_model.hpp"

namespace pipespec::model {

/// How long a pass takes: `pass + rows * row` seconds, over the rows of all its segments.
struct SyntheticTimes {
  double pass = 0;
  double row = 0;
};

/// One stage of a synthetic chain behind the interface of real models. Its cache holds the hash of every prefix in
/// place of keys and values, so a row's token is a function of its prefix alone by construction. A pass sleeps: stages
/// may outnumber cores.
class SyntheticModel final : public LanguageModel {
 public:
  /// The stage `stage` of `text`, with room for `slots` sequences of `context` positions.
  SyntheticModel(SyntheticText text, int stage, const SyntheticTimes& times, int slots, Position context);

  int vocabulary_size() const override { return text_.vocabulary(); }
  Position context_length() const override { return context_; }
  int slots() const override { return static_cast<int>(caches_.size()); }
  Position length(Slot slot) const override { return static_cast<Position>(caches_.at(slot).size()); }
  void truncate(Slot slot, Position length) override;
  Position share(Slot from, Slot to, Position length) override;
  /// Tells no probabilities. Asks some 30 times, as a model does between its layers, or every 0.1 ms where that is less
  /// often.
  bool forward(std::span<const Segment> segments, std::span<Token> next, const KeepGoing& keep_going = {},
               std::span<float> probabilities = {}) override;

 private:
  SyntheticText text_;
  int stage_;
  SyntheticTimes times_;
  Position context_;
  std::vector<std::vector<SyntheticText::Prefix>> caches_;  // [slot][position]
};

}  // namespace pipespec::model
