// The HDF5 file: every field comes back, other tools can read it, damage is refused in one line.
#include "results/results_file.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "core/error.hpp"
#include "results/export.hpp"
#include "results/journal_format.hpp"
#include "sample_results.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::results {
namespace {

using pipespec::testing::ScratchDirectory;

std::string message_of(const std::filesystem::path& path) {
  try {
    read_results(path);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ResultsFile, gives_every_field_back) {
  const ScratchDirectory scratch;
  const Results results = Maker(2).results(three_experiments("out"));
  write_results_file(scratch.path() / "results.h5", results);
  expect_equal(read_results_file(scratch.path() / "results.h5"), results);
}

TEST(ResultsFile, an_energy_that_the_hardware_does_not_tell_stays_unknown) {
  const ScratchDirectory scratch;
  Results results;
  results.configuration = three_experiments(scratch.path() / "out");
  results.attempts = {Maker(1).provenance()};
  results.telemetry = {Maker(1).telemetry(0, 0)};
  results.telemetry[0].energy = std::numeric_limits<double>::quiet_NaN();
  write_journals(results);
  write_results_file(scratch.path() / "results.h5", read_journals(scratch.path() / "out"));
  const Results read = read_results_file(scratch.path() / "results.h5");
  ASSERT_EQ(read.telemetry.size(), 1u);
  EXPECT_TRUE(std::isnan(read.telemetry[0].energy));
  EXPECT_EQ(read.telemetry[0].cpu_seconds, results.telemetry[0].cpu_seconds);
}

TEST(ResultsFile, of_a_run_without_a_sample_is_readable) {
  const ScratchDirectory scratch;
  Results results;
  results.configuration = three_experiments("out");
  write_results_file(scratch.path() / "results.h5", results);
  expect_equal(read_results_file(scratch.path() / "results.h5"), results);
}

TEST(ResultsFile, replaces_an_older_one) {
  const ScratchDirectory scratch;
  const std::filesystem::path file = scratch.write("results.h5", "old");
  const Results results = Maker(3).results(three_experiments("out"));
  write_results_file(file, results);
  expect_equal(read_results_file(file), results);
}

TEST(ReadResults, takes_an_output_directory_that_was_cut_off_or_finished_or_the_file_alone) {
  const ScratchDirectory scratch;
  const Results results = Maker(4).results(three_experiments(scratch.path() / "out"));
  write_journals(results);
  expect_equal(read_results(scratch.path() / "out"), results);
  write_results_file(results_path(scratch.path() / "out"), results);
  expect_equal(read_results(scratch.path() / "out" / "results.h5"), results);
  std::filesystem::remove_all(scratch.path() / "out" / "journal");
  expect_equal(read_results(scratch.path() / "out"), results);
}

TEST(ReadResults, refuses_what_is_no_results_file_in_one_line) {
  const ScratchDirectory scratch;
  EXPECT_EQ(message_of("no/such"),
            "no/such: no such file or directory (results of a run are expected): check the path");
  EXPECT_THAT(
      message_of(scratch.write("text.h5", "not HDF5")),
      ::testing::MatchesRegex(".*/text.h5: not a results file, or a damaged one \\(HDF5: [^\n]*\\): name the output "
                              "directory or the results.h5 of a run"));
  EXPECT_THAT(message_of(scratch.path()), ::testing::HasSubstr("results.h5: no such file or directory"));
}

TEST(ReadResults, refuses_a_file_cut_short_anywhere) {
  const ScratchDirectory scratch;
  write_results_file(scratch.path() / "whole.h5", Maker(5).results(three_experiments("out")));
  const std::string whole = read_bytes(scratch.path() / "whole.h5");
  for (std::size_t cut = 0; cut < whole.size(); cut += 997)
    ASSERT_THAT(message_of(scratch.write("cut.h5", whole.substr(0, cut))), ::testing::HasSubstr("damaged")) << cut;
}

TEST(ResultsFile, is_read_by_h5py_alone) {
  const std::string python = [] {
    for (const char* candidate : {"python3", "/usr/bin/python3"})
      if (std::system((std::string(candidate) + " -c 'import h5py' 2>/dev/null").c_str()) == 0) return candidate;
    return "";
  }();
  if (python.empty()) GTEST_SKIP() << "no Python with h5py here (Debian: python3-h5py)";
  const ScratchDirectory scratch;
  const Results results = Maker(6).results(three_experiments("out"));
  write_results_file(scratch.path() / "results.h5", results);
  std::ofstream samples(scratch.path() / "samples.jsonl");
  write_samples(samples, results, SampleFormat::samples);
  samples.close();
  const std::string command =
      fmt::format("{} {}/tests/results/read_with_h5py.py {}/results.h5 {}/samples.jsonl", python, PIPESPEC_SOURCE_DIR,
                  scratch.path().string(), scratch.path().string());
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace
}  // namespace pipespec::results
