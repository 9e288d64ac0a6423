// Where results may be written, and the one line that says why not.
#include "results/output_directory.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "results/results_file.hpp"
#include "sample_results.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::results {
namespace {

using pipespec::testing::ScratchDirectory;

std::string message_of(const config::RunConfig& config) {
  try {
    const OutputDirectory directory(config);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(OutputDirectory, is_made_with_its_parents) {
  const ScratchDirectory scratch;
  const OutputDirectory directory(three_experiments(scratch.path() / "a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(scratch.path() / "a/b/c"));
  EXPECT_EQ(directory.attempt(), 0);
  EXPECT_TRUE(directory.completed().empty());
}

TEST(OutputDirectory, of_an_earlier_launch_tells_what_is_done) {
  const ScratchDirectory scratch;
  const config::RunConfig config = three_experiments(scratch.path());
  const Results results = Maker(1).results(config);
  write_journals(results);
  const OutputDirectory directory(config);
  EXPECT_EQ(directory.attempt(), 1);
  std::vector<SampleKey> keys;
  for (const CompletedSample& completed : results.samples) keys.push_back(key_of(completed.sample));
  EXPECT_EQ(directory.completed(), keys);
}

TEST(OutputDirectory, numbers_every_launch) {
  const ScratchDirectory scratch;
  const config::RunConfig config = three_experiments(scratch.path());
  for (int launch = 0; launch < 3; ++launch) {
    const OutputDirectory directory(config);
    EXPECT_EQ(directory.attempt(), launch);
    const Journal journal(directory.path(), 0, directory.attempt(), config::hash(config));
  }
}

TEST(OutputDirectory, may_be_continued_under_another_time_limit) {
  const ScratchDirectory scratch;
  config::RunConfig config = three_experiments(scratch.path());
  write_journals(Maker(1).results(config));
  config.limits.time_seconds = 4000;
  EXPECT_EQ(message_of(config), "no error");
}

TEST(OutputDirectory, of_another_configuration_is_refused) {
  const ScratchDirectory scratch;
  config::RunConfig config = three_experiments(scratch.path());
  const std::string before = config::hash(config);
  write_journals(Maker(1).results(config));
  config.seed = 1;
  EXPECT_EQ(message_of(config),
            fmt::format("output {}: holds the results of another configuration (hash {}, this one has {}): "
                        "choose another output, or remove the directory",
                        config.output, before, config::hash(config)));
}

TEST(OutputDirectory, goes_on_with_the_files_it_was_begun_with_and_no_others) {
  const ScratchDirectory scratch;
  const config::RunConfig config = three_experiments(scratch.path());
  const Results results = Maker(1).results(config);
  write_journals(results);
  const OutputDirectory directory(config);
  const Inputs same = results.attempts.back().inputs;
  EXPECT_NO_THROW(directory.expect_inputs(same));
  for (const auto list : {&Inputs::models, &Inputs::datasets}) {
    Inputs other = same;
    (other.*list).back().hash = "0ff";
    try {
      directory.expect_inputs(other);
      ADD_FAILURE() << "another content was accepted";
    } catch (const UserError& error) {
      EXPECT_EQ(
          std::string(error.what()),
          fmt::format("{}: has changed since the results in {} were begun (SHA-256 {} then, 0ff now): bring the old "
                      "file back, or choose another output",
                      (other.*list).back().path, config.output, (same.*list).back().hash));
    }
  }
}

TEST(OutputDirectory, in_use_is_refused) {
  const ScratchDirectory scratch;
  const config::RunConfig config = three_experiments(scratch.path());
  const OutputDirectory first(config);
  EXPECT_EQ(message_of(config),
            fmt::format("output {0}: another job writes to it (it holds {0}/journal/lock): wait for it, or "
                        "choose another output",
                        config.output));
}

TEST(OutputDirectory, that_is_a_file_is_refused) {
  const ScratchDirectory scratch;
  const config::RunConfig config = three_experiments(scratch.write("taken", "x"));
  EXPECT_EQ(
      message_of(config),
      fmt::format("output {}: no directory can be made there (Not a directory): choose another output", config.output));
}

TEST(OutputDirectory, that_cannot_be_written_is_refused) {
  EXPECT_EQ(message_of(three_experiments("/proc/pipespec-results")),
            "output /proc/pipespec-results: no directory can be made there (No such file or directory): choose another "
            "output");
}

TEST(OutputDirectory, with_results_but_no_journal_is_refused) {
  const ScratchDirectory scratch;
  const config::RunConfig config = three_experiments(scratch.path());
  write_results_file(results_path(scratch.path()), Maker(1).results(config));
  EXPECT_EQ(message_of(config),
            fmt::format("output {}: holds a results.h5 without its journal (it would be overwritten): choose "
                        "another output, or remove it",
                        config.output));
}

}  // namespace
}  // namespace pipespec::results
