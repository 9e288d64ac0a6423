/// The commands of the program. Each returns the exit status.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace pipespec::app {

struct RunArguments {
  std::string config;
  std::vector<std::string> overrides;
  bool checks_invariants = false;  ///< every stage is held against the protocol's invariants at every event
};

struct GenerateArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string prompt;
  bool is_raw = false;                    ///< the prompt is sent as it is, not as a user's message
  std::optional<std::string> experiment;  ///< label; none: the last one
};

struct TokenizeArguments {
  std::string model;
  std::optional<std::string> text;
  std::optional<std::string> jsonl;  ///< file, "-" for stdin
  bool decode = false;
};

struct InspectArguments {
  std::string model;
};

struct LogitsArguments {
  std::string model;
  std::string ids;  ///< JSON file: a list of token ids
  std::string out;  ///< HDF5 file
  std::string weights = "native";
  std::string kv_cache = "auto";
  int chunk = 0;  ///< rows of a pass; 0: all at once
  int threads = 0;
};

struct ExportArguments {
  std::string results;
  std::string samples;  ///< file, "-" for stdout
  std::string format = "samples";
};

struct BenchForwardArguments {
  std::string model;
  std::vector<int> rows = {1, 2, 4, 8, 16, 32, 64};
  std::vector<int> threads = {1};
  std::vector<int> context = {128};
  int outputs = 0;              ///< 0: all rows
  std::string instruction_set;  ///< empty: the best there is
  std::string weights = "native";
  std::string kv_cache = "auto";
  int repetitions = 7;
  bool is_json = false;
};

// Under MPI, collective over all ranks.
int run_command(const comm::Communicator& world, const RunArguments& arguments);
int check_command(const comm::Communicator& world, const RunArguments& arguments);
int generate_command(const comm::Communicator& world, const GenerateArguments& arguments);

// One process.
int tokenize_command(const TokenizeArguments& arguments);
int inspect_command(const InspectArguments& arguments);
int logits_command(const LogitsArguments& arguments);
int export_command(const ExportArguments& arguments);
int bench_forward_command(const BenchForwardArguments& arguments);

/// What --version prints: version, revision, build, the libraries found and those left out.
std::string version_text();

}  // namespace pipespec::app
