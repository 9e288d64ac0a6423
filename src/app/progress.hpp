/// How far the run is, for the person who waits for it.
#pragma once

#include <cstdint>
#include <string>

namespace pipespec::app {

/// On a terminal a bar that is redrawn in place, elsewhere a plain line now and then; on stderr. Under mpirun that is a
/// pipe; PIPESPEC_TERMINAL in the environment says that there is a terminal behind it. Not thread-safe.
class Progress {
 public:
  /// `samples`: of all experiments together; `done`: completed by earlier launches.
  Progress(std::int64_t samples, std::int64_t done);
  ~Progress();

  /// The experiment that runs now.
  void begin(std::string label);

  /// `count` tokens were committed.
  void add_tokens(std::int64_t count);

  /// A sample is complete.
  void add_sample();

 private:
  void show(bool at_once);
  std::string line() const;

  bool is_terminal_;
  std::int64_t samples_;
  std::int64_t done_;
  std::int64_t done_here_ = 0;  // by this launch
  double begin_;
  double last_shown_ = 0;
  std::string label_;
  double label_begin_ = 0;
  std::int64_t label_tokens_ = 0;
  bool is_line_open_ = false;
};

}  // namespace pipespec::app
