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
  int draft_vocabulary = 0;     ///< 0: all tokens
  std::string instruction_set;  ///< empty: the best there is
  std::string weights = "native";
  std::string kv_cache = "auto";
  int repetitions = 7;
  bool is_json = false;
};

struct SimulateArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string step_times;    ///< file; empty: what the configuration says of synthetic stages
  double latency_ms = 0;     ///< of a message
  double jitter_ms = 0;      ///< the latency is this much more or less
  bool with_models = false;  ///< what models say is computed, not made up
  bool is_json = false;
};

struct BenchMessagesArguments {
  std::vector<int> tokens = {1, 16, 256};          ///< of a message
  std::vector<double> idle_ms = {0.2, 2.0, 10.0};  ///< how long its receiver has been waiting
  int repetitions = 200;                           ///< messages of each kind
  int run_tokens = 200;                            ///< committed by the chain whose messages are counted
  bool is_json = false;
};

// Under MPI, collective over all ranks.
int run_command(const comm::Communicator& world, const RunArguments& arguments);
int check_command(const comm::Communicator& world, const RunArguments& arguments);
int generate_command(const comm::Communicator& world, const GenerateArguments& arguments);
int bench_messages_command(const comm::Communicator& world, const BenchMessagesArguments& arguments);

// One process.
int tokenize_command(const TokenizeArguments& arguments);
int inspect_command(const InspectArguments& arguments);
int logits_command(const LogitsArguments& arguments);
int export_command(const ExportArguments& arguments);
int simulate_command(const SimulateArguments& arguments);
int bench_forward_command(const BenchForwardArguments& arguments);

/// What --version prints: version, revision, build, the libraries found and those left out.
std::string version_text();

}  // namespace pipespec::app
