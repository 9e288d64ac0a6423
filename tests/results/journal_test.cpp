// The journal: whatever was committed is there after a process died at any moment, once.
#include "results/journal.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.hpp"
#include "results/journal_format.hpp"
#include "results/results_file.hpp"
#include "sample_results.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::results {
namespace {

using pipespec::testing::ScratchDirectory;
using ::testing::HasSubstr;

/// A run of one rank that is its own target.
class OneRank {
 public:
  explicit OneRank(const std::string& output) : config(three_experiments(output)) {}

  /// Begins the next attempt.
  Journal begin() {
    directory.emplace(config);
    Journal journal(directory->path(), 0, directory->attempt(), config::hash(config));
    journal.add(Provenance{}, config);
    journal.commit();
    return journal;
  }

  std::filesystem::path file() const { return journal_path(config.output, 0); }

  config::RunConfig config;
  std::optional<OutputDirectory> directory;
};

SampleKey nth(int index) {
  return {0, 0, index};
}

std::vector<int> completed_indices(const config::RunConfig& config) {
  std::vector<int> indices;
  for (const CompletedSample& completed : read_journals(config.output).samples)
    indices.push_back(completed.sample.index);
  return indices;
}

std::vector<int> first_integers(int count) {
  std::vector<int> integers;
  for (int i = 0; i < count; ++i) integers.push_back(i);
  return integers;
}

TEST(Journal, gives_every_field_back) {
  const ScratchDirectory scratch;
  const Results results = Maker(1).results(three_experiments(scratch.path() / "out"));
  write_journals(results);
  expect_equal(read_journals(scratch.path() / "out"), results);
}

TEST(Journal, what_was_not_committed_is_not_there) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  {
    Journal journal = run.begin();
    journal.add(Maker(1).sample(nth(0)), SequenceId{0});
    journal.commit();
    journal.add(Maker(1).sample(nth(1)), SequenceId{1});
  }
  EXPECT_EQ(completed_indices(run.config), first_integers(1));
}

TEST(Journal, is_dropped_from_a_torn_record_on_wherever_it_was_cut) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  std::vector<std::uintmax_t> ends;  // of the file after each commit
  {
    Journal journal = run.begin();
    ends.push_back(std::filesystem::file_size(run.file()));
    for (int i = 0; i < 3; ++i) {
      journal.add(Maker(1).sample(nth(i)), SequenceId{i});
      journal.commit();
      ends.push_back(std::filesystem::file_size(run.file()));
    }
  }
  const std::string whole = read_bytes(run.file());
  for (std::uintmax_t cut = whole.size(); cut-- > 0;) {
    scratch.write("journal/rank-0.journal", whole.substr(0, cut));
    const auto kept = static_cast<int>(std::ranges::count_if(ends, [&](auto end) { return end <= cut; }));
    run.directory.reset();
    {
      Journal journal = run.begin();
      journal.add(Maker(2).sample(nth(kept > 0 ? kept - 1 : 0)), SequenceId{9});
      journal.commit();
    }
    ASSERT_EQ(completed_indices(run.config), first_integers(std::max(kept, 1))) << "cut at " << cut;
  }
}

TEST(Journal, a_damaged_byte_costs_nothing_that_came_before_it) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  std::vector<std::uintmax_t> ends;
  {
    Journal journal = run.begin();
    for (int i = 0; i < 3; ++i) {
      ends.push_back(std::filesystem::file_size(run.file()));
      journal.add(Maker(1).sample(nth(i)), SequenceId{i});
      journal.commit();
    }
  }
  const std::string whole = read_bytes(run.file());
  for (std::size_t at = ends[0]; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    scratch.write("journal/rank-0.journal", damaged);
    const auto before = static_cast<int>(std::ranges::count_if(ends, [&](auto end) { return end <= at; })) - 1;
    ASSERT_EQ(completed_indices(run.config), first_integers(before)) << "byte " << at;
  }
}

TEST(Journal, zeros_that_a_crashed_machine_left_are_no_records) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  { Journal journal = run.begin(); }
  scratch.write("journal/rank-0.journal", read_bytes(run.file()) + std::string(4096, '\0'));
  run.directory.reset();
  {
    Journal journal = run.begin();
    journal.add(Maker(1).sample(nth(0)), SequenceId{0});
    journal.commit();
  }
  EXPECT_EQ(completed_indices(run.config), first_integers(1));
}

/// Writes samples from the first that is missing on, and one byte to `acknowledge` after each commit, until it is
/// killed.
[[noreturn]] void write_for_ever(OneRank& run, int acknowledge) {
  Journal journal = run.begin();
  for (int i = static_cast<int>(run.directory->completed().size());; ++i) {
    journal.add(Maker(static_cast<unsigned>(i)).trace(0, SequenceId{i}), SequenceId{i});
    journal.add(Maker(static_cast<unsigned>(i)).sample(nth(i)), SequenceId{i});
    journal.commit();
    if (::write(acknowledge, "", 1) != 1) ::_exit(1);
  }
}

TEST(Journal, a_committed_sample_survives_kill_9_and_appears_once) {
  const ScratchDirectory scratch;
  std::mt19937 random(11);
  std::size_t acknowledged = 0;
  for (int kill_count = 0; kill_count < 20; ++kill_count) {
    OneRank run(scratch.path());
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) write_for_ever(run, ends[1]);
    ::close(ends[1]);
    // The child is somewhere in its next record when the chosen acknowledgement arrives.
    char byte;
    for (auto left = std::uniform_int_distribution<int>(0, 12)(random); left > 0 && ::read(ends[0], &byte, 1) == 1;
         --left)
      ++acknowledged;
    ::kill(child, SIGKILL);
    while (::read(ends[0], &byte, 1) == 1) ++acknowledged;
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    if (acknowledged == 0) continue;
    const std::vector<int> indices = completed_indices(run.config);
    ASSERT_GE(indices.size(), acknowledged);
    ASSERT_LE(indices.size(), acknowledged + 1);  // committed, killed before it could say so
    ASSERT_EQ(indices, first_integers(static_cast<int>(indices.size())));
    acknowledged = indices.size();
  }
  EXPECT_GT(acknowledged, 20u);
}

TEST(Journal, two_attempts_merge_to_each_sample_once_with_the_traces_of_the_attempt_that_completed_it) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  const SequenceId first{0}, second{1};
  const StageTrace cut_off = Maker(1).trace(0, second), whole = Maker(2).trace(0, first);
  {
    Journal journal = run.begin();
    journal.add(Maker(3).trace(0, first), first);
    journal.add(Maker(3).sample(nth(0)), first);
    journal.add(cut_off, second);  // its sample was never completed
    journal.commit();
  }
  run.directory.reset();
  {
    Journal journal = run.begin();
    EXPECT_EQ(run.directory->attempt(), 1);
    EXPECT_THAT(run.directory->completed(), ::testing::ElementsAre(nth(0)));
    journal.add(whole, first);
    journal.add(Maker(4).sample(nth(1)), first);
    journal.commit();
  }
  const Results results = read_journals(scratch.path());
  ASSERT_EQ(results.samples.size(), 2u);
  EXPECT_EQ(results.samples[0].attempt, 0);
  EXPECT_EQ(*results.samples[0].stages[0], Maker(3).trace(0, first));
  EXPECT_EQ(results.samples[1].attempt, 1);
  EXPECT_EQ(*results.samples[1].stages[0], whole);
  EXPECT_EQ(results.attempts.size(), 2u);
}

TEST(Journal, of_a_trace_that_was_recorded_twice_the_first_counts) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  const StageTrace first = Maker(1).trace(0, SequenceId{0}), again = Maker(2).trace(0, SequenceId{0});
  Journal journal = run.begin();
  journal.add(first, SequenceId{0});
  journal.add(again, SequenceId{0});
  journal.add(Maker(3).sample(nth(0)), SequenceId{0});
  journal.commit();
  EXPECT_EQ(*read_journals(scratch.path()).samples.at(0).stages.at(0), first);
}

TEST(Journal, a_second_writer_is_refused) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  const Journal journal = run.begin();
  try {
    const Journal second(scratch.path(), 0, 1, "0");
    FAIL() << "two writers on one journal";
  } catch (const UserError& error) {
    EXPECT_EQ(error.what(), run.file().string() +
                                ": another process writes to it (is the job still running?): wait for it, or end it");
  }
}

TEST(Journal, another_kind_of_file_is_refused_and_left_alone) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  { Journal journal = run.begin(); }
  scratch.write("journal/rank-0.journal", "my diary, January");
  EXPECT_THROW(Journal(scratch.path(), 0, 1, "0"), UserError);
  EXPECT_EQ(read_bytes(run.file()), "my diary, January");
}

/// While it lives, no file of this process grows beyond `bytes`: every further write fails as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, SIG_DFL);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

TEST(Journal, a_full_disk_is_one_clear_failure_and_costs_nothing_committed) {
  const ScratchDirectory scratch;
  OneRank run(scratch.path());
  int committed = 0;
  {
    Journal journal = run.begin();
    const FullDisk full(4000);
    try {
      for (; committed < 1000; ++committed) {
        journal.add(Maker(1).sample(nth(committed)), SequenceId{committed});
        journal.commit();
      }
      FAIL() << "no error on a full disk";
    } catch (const Failure& failure) {
      EXPECT_THAT(failure.what(),
                  HasSubstr("rank-0.journal: cannot be written (File too large): what was committed before is "
                            "safe; make room and run the same command to go on"));
    }
  }
  EXPECT_GT(committed, 2);
  EXPECT_EQ(completed_indices(run.config), first_integers(committed));
}

TEST(ResultsFile, a_full_disk_is_one_clear_failure_and_leaves_the_old_file) {
  const ScratchDirectory scratch;
  const std::filesystem::path file = scratch.path() / "results.h5";
  const Results results = Maker(1).results(three_experiments("out"));
  write_results_file(file, results);
  const std::string before = read_bytes(file);
  {
    const FullDisk full(4000);
    try {
      write_results_file(file, results);
      FAIL() << "no error on a full disk";
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.what(),
                file.string() +
                    ": cannot be written (File too large): an older file of that name and the journal are "
                    "untouched; make room and run the same command again");
    }
  }
  EXPECT_EQ(read_bytes(file), before);
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".partial"));
}

}  // namespace
}  // namespace pipespec::results
