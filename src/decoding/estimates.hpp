/// What a stage learns about itself and its drafts while it works.
#pragma once

#include <array>
#include <vector>

#include "decoding/confidence.hpp"

namespace pipespec::decoding {

/// A mean that forgets: every observation makes the weight of the earlier ones `memory` times what it was.
class RunningMean {
 public:
  explicit RunningMean(double memory) : memory_(memory) {}

  void observe(double value) {
    weight_ = memory_ * weight_ + 1;
    mean_ += (value - mean_) / weight_;
  }

  /// The mean, held back by `prior_weight` observations of `prior`.
  double value(double prior, double prior_weight) const {
    return (weight_ * mean_ + prior_weight * prior) / (weight_ + prior_weight);
  }

  double mean() const { return mean_; }
  double weight() const { return weight_; }
  void fade() { weight_ *= memory_; }  ///< as if something else had been observed

 private:
  double memory_;
  double weight_ = 0;
  double mean_ = 0;
};

/// Seconds of a forward pass by its rows. A line through all passes, least squares, and around it, where a number of
/// rows has been seen lately, the mean of its own passes: kernels work on tiles of rows, so the true curve has steps.
/// Until passes of different lengths tell what a row costs, a guess stands in, which makes the planner try such passes.
/// What slows the machine down for a while makes all lengths slower, those of late as well as others: it is told apart.
/// Passes of very many rows, as prompts make them, have a mean time for each row instead: they compute, where those of
/// few rows wait for the memory.
class PassTimes {
 public:
  PassTimes();
  void observe(int rows, double seconds);

  static bool is_long(int rows) { return rows >= bins; }

  /// 0 before the first observation.
  double seconds(int rows) const;

  /// How many times as long as usual passes take at present.
  double slowness() const;

 private:
  static constexpr int bins = 65;  ///< numbers of rows with a mean of their own

  double line(int rows) const;
  double usual(int rows) const;

  double weight_ = 0, rows_ = 0, seconds_ = 0;     // means
  double rows_squared_ = 0, rows_by_seconds_ = 0;  // means of products
  std::vector<RunningMean> by_rows_;
  RunningMean a_row_;             // of passes of more rows
  std::vector<double> slowness_;  // of the last passes of well-known lengths, oldest first
};

/// How a sequence's drafts have fared lately: n > 0, the last n were accepted; -n, the last n were rejected.
class Streak {
 public:
  int length() const { return length_; }
  Streak after(bool accepted) const {
    Streak next;
    next.length_ = accepted ? (length_ > 0 ? length_ + 1 : 1) : (length_ < 0 ? length_ - 1 : -1);
    return next;
  }

 private:
  int length_ = 0;
};

/// The chance that a draft is accepted, given how those before it fared. Rejections cluster: a text that is copied, or
/// easy, goes on so for a while. The chance is therefore learned by the streak that a draft stands behind, which says
/// both what happened lately and how deep in its pass a draft is; and by what the stage below says of it. Where the two
/// together have been seen too rarely to tell, what is known of the confidence alone stands in, and for that the mean
/// of all.
class AcceptanceChance {
 public:
  /// `memory`: of its means.
  explicit AcceptanceChance(double memory = 0.98);

  double of_draft_behind(Streak streak, Confidence confidence) const;
  void observe(Streak streak, Confidence confidence, bool accepted);

  /// Time has passed without a draft: what was seen counts for less, and the first guess for more.
  void fade();

 private:
  RunningMean overall_;
  std::vector<RunningMean> by_confidence_;
  std::vector<std::vector<RunningMean>> by_both_;  // [confidence][class of streak]
};

}  // namespace pipespec::decoding
