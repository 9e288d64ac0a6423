#include "app/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "app/agreement.hpp"
#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "app/stop_signal.hpp"
#include "comm/session.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace pipespec::app {

namespace {

constexpr const char* kv_cache_help =
    "auto (int8 beside quantised weights, f32 beside f32, else f16), int8, f16 or f32";

/// Runs `command` on all ranks of this launch and ends MPI when it returns.
int under_mpi(const std::function<int(const comm::Communicator&)>& command) {
  const comm::Session session;
  int status = exit_done;
  {
    const comm::Communicator world = comm::Communicator::world();
    log::configure(world.rank(), world.size());
    status = command(world);
  }
  comm::Session::finalise();
  return status;
}

/// A text as YAML takes it, whatever is in it.
std::string yaml_text(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

/// Whether a launcher (Open MPI's, PMIx', Slurm's) has started this process. Only then is MPI needed to refuse a
/// request: a login node may have none.
bool is_launched() {
  const auto is_set = [](const char* name) { return std::getenv(name) != nullptr; };
  return is_set("OMPI_COMM_WORLD_RANK") || is_set("PMIX_RANK") || is_set("SLURM_PROCID");
}

/// A wrong command line is wrong on every rank of a launch; one of them says so. UserError or AgreedError.
int refuse(std::string_view what) {
  const auto say = [&] { reject("{}: see pipespec --help", what); };
  if (!is_launched()) say();
  return under_mpi([&](const comm::Communicator& world) {
    together(world, say);
    return exit_wrong_request;
  });
}

/// Declares the options of each command. Every declaration binds its arguments and says what to run.
class CommandLine {
 public:
  CommandLine() : app_("pipespec: large language models, faster, without changing one token", "pipespec") {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", [] { return version_text(); });
    add_run();
    add_check();
    add_generate();
    add_simulate();
    add_tokenize();
    add_inspect();
    add_logits();
    add_export();
    add_bench();
  }

  int run(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "";
    const auto has_name = [&](CLI::App* command) { return command->get_name() == name; };
    if (!name.empty() && name[0] != '-' && app_.get_subcommands(has_name).empty()) {
      return refuse(fmt::format("there is no command {}", name));
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      const bool is_wrong = e.get_exit_code() != 0;
      if (!is_wrong) return app_.exit(e);
      return refuse(e.what());
    }
    return command_();
  }

 private:
  CLI::App* add_configured(const char* name, const char* description, std::string& config,
                           std::vector<std::string>& overrides) {
    CLI::App* command = app_.add_subcommand(name, description);
    command->add_option("CONFIG", config, "YAML file of the run")->required();
    command->add_option("--set", overrides, "a.b=c: a value in place of the file's")->allow_extra_args(false);
    return command;
  }

  void add_run() {
    CLI::App* command =
        add_configured("run", "Run every experiment of the file on every task", run_.config, run_.overrides);
    command->add_option("--out", out_, "output directory, in place of the file's");
    command->add_flag("--check-invariants", run_.checks_invariants,
                      "hold every stage against the protocol's invariants at every event; a violation ends the run");
    command->callback([this] {
      if (!out_.empty()) run_.overrides.push_back("output=" + yaml_text(out_));
      command_ = [this] {
        catch_stop_signals();
        return under_mpi([this](const auto& world) { return run_command(world, run_); });
      };
    });
  }

  void add_check() {
    CLI::App* command = add_configured("check", "Check the file; print placement, memory and the launch command",
                                       run_.config, run_.overrides);
    command->callback([this] {
      command_ = [this] { return under_mpi([this](const auto& world) { return check_command(world, run_); }); };
    });
  }

  void add_generate() {
    CLI::App* command = add_configured("generate", "Answer one prompt; the text streams as it is committed",
                                       generate_.config, generate_.overrides);
    command->add_option("--prompt", generate_.prompt, "what to answer")->required();
    command->add_flag("--raw", generate_.is_raw, "send the prompt as it is, not as a user's message of a chat");
    command->add_option("--experiment", generate_.experiment, "label of the experiment to use (default: the last)");
    command->callback([this] {
      command_ = [this] {
        catch_stop_signals();
        return under_mpi([this](const auto& world) { return generate_command(world, generate_); });
      };
    });
  }

  void add_simulate() {
    CLI::App* command = add_configured("simulate", "Predict every experiment of the file in virtual time",
                                       simulate_.config, simulate_.overrides);
    command->add_option("--step-times", simulate_.step_times,
                        "YAML file, stage: {ms: {rows: milliseconds}, agreement: 0.9}, of what was measured");
    command->add_option("--latency-ms", simulate_.latency_ms, "how long a message is on its way")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command->add_option("--jitter-ms", simulate_.jitter_ms, "how much more or less that may be")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command->add_flag("--with-models", simulate_.with_models,
                      "load the models and let them decode the tasks, instead of a made-up text");
    command->add_flag("--json", simulate_.is_json, "one JSON object instead of the tables");
    command->callback([this] { command_ = [this] { return simulate_command(simulate_); }; });
  }

  void add_tokenize() {
    CLI::App* command = app_.add_subcommand("tokenize", "Text to token ids, or back");
    command->add_option("MODEL", tokenize_.model, "GGUF file, or folder of a model or of a tokenizer alone")
        ->required();
    auto* input = command->add_option_group("input")->require_option(1);
    input->add_option("--text", tokenize_.text, "the text (with --decode: a list of ids)");
    input->add_option("--jsonl", tokenize_.jsonl,
                      "file of lines {\"text\": ...} (with --decode: {\"ids\": [...]}); -: stdin");
    command->add_flag("--decode", tokenize_.decode, "ids to text");
    command->callback([this] { command_ = [this] { return tokenize_command(tokenize_); }; });
  }

  void add_inspect() {
    CLI::App* command = app_.add_subcommand("inspect", "What a model's files hold: tensors, architecture, tokenizer");
    command->add_option("MODEL", inspect_.model, "GGUF file, or folder as Hugging Face writes it")->required();
    command->callback([this] { command_ = [this] { return inspect_command(inspect_); }; });
  }

  void add_logits() {
    CLI::App* command = app_.add_subcommand("logits", "The logits of a list of token ids");
    command->add_option("MODEL", logits_.model, "GGUF file, or folder as Hugging Face writes it")->required();
    command->add_option("--ids", logits_.ids, "JSON file with a list of token ids")->required();
    command->add_option("--out", logits_.out, "HDF5 file to write: /ids [n], /logits [n, vocabulary]")->required();
    command->add_option("--weights", logits_.weights, "native, bf16, f32, int8 or int4")->capture_default_str();
    command->add_option("--kv-cache", logits_.kv_cache, kv_cache_help)->capture_default_str();
    command->add_option("--chunk", logits_.chunk, "rows of a pass (default: all at once)")->check(CLI::PositiveNumber);
    command->add_option("--threads", logits_.threads, "default: all cores")->check(CLI::PositiveNumber);
    command->callback([this] { command_ = [this] { return logits_command(logits_); }; });
  }

  void add_export() {
    CLI::App* command = app_.add_subcommand("export", "Samples of a run as JSON lines");
    command->add_option("RESULTS", export_.results, "results.h5, or the output directory of a run")->required();
    command->add_option("--samples", export_.samples, "file to write; -: stdout")->required();
    command->add_option("--format", export_.format, "samples or human-eval")->capture_default_str();
    command->callback([this] { command_ = [this] { return export_command(export_); }; });
  }

  void add_bench() {
    CLI::App* bench = app_.add_subcommand("bench", "Micro-benchmarks")->require_subcommand(1);
    add_bench_forward(*bench);
    add_bench_messages(*bench);
  }

  void add_bench_forward(CLI::App& bench) {
    CLI::App* command = bench.add_subcommand("forward", "Time of a forward pass by rows, threads and context");
    command->add_option("MODEL", bench_forward_.model, "GGUF file, or folder as Hugging Face writes it")->required();
    const auto list = [&](const char* name, std::vector<int>& values, const char* what) {
      command->add_option(name, values, what)->delimiter(',')->check(CLI::PositiveNumber)->capture_default_str();
    };
    list("--rows", bench_forward_.rows, "rows of a pass");
    list("--threads", bench_forward_.threads, "threads");
    command->add_option("--context", bench_forward_.context, "positions in the cache")
        ->delimiter(',')
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command
        ->add_option("--outputs", bench_forward_.outputs,
                     "how many of the last rows want their next token (default: all)")
        ->check(CLI::PositiveNumber);
    command
        ->add_option("--draft-vocabulary", bench_forward_.draft_vocabulary,
                     "how many tokens, the first ones, the model can predict (default: all)")
        ->check(CLI::PositiveNumber);
    command->add_option("--weights", bench_forward_.weights, "native, bf16, f32, int8 or int4")->capture_default_str();
    command->add_option("--kv-cache", bench_forward_.kv_cache, kv_cache_help)->capture_default_str();
    command->add_option("--instruction-set", bench_forward_.instruction_set,
                        "one of those this machine has (default: the best), to see what another machine would do");
    command->add_option("--repetitions", bench_forward_.repetitions, "passes timed")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_flag("--json", bench_forward_.is_json, "one JSON object instead of the table");
    command->callback([this] { command_ = [this] { return bench_forward_command(bench_forward_); }; });
  }

  void add_bench_messages(CLI::App& bench) {
    CLI::App* command = bench.add_subcommand(
        "messages",
        "From one stage's finished pass to the next stage having its tokens; under mpirun, two ranks or more");
    command->add_option("--tokens", bench_messages_.tokens, "tokens of a message")
        ->delimiter(',')
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--idle-ms", bench_messages_.idle_ms, "how long the receiver has been waiting")
        ->delimiter(',')
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command->add_option("--repetitions", bench_messages_.repetitions, "messages of each kind")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--run-tokens", bench_messages_.run_tokens, "tokens of the chain whose messages are counted")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_flag("--json", bench_messages_.is_json, "one JSON object instead of the table");
    command->callback([this] {
      command_ = [this] {
        return under_mpi([this](const auto& world) { return bench_messages_command(world, bench_messages_); });
      };
    });
  }

  CLI::App app_;
  RunArguments run_;
  std::string out_;
  GenerateArguments generate_;
  SimulateArguments simulate_;
  TokenizeArguments tokenize_;
  InspectArguments inspect_;
  LogitsArguments logits_;
  ExportArguments export_;
  BenchForwardArguments bench_forward_;
  BenchMessagesArguments bench_messages_;
  std::function<int()> command_;
};

}  // namespace

int run_command_line(int argc, char** argv) {
  const int status = CommandLine().run(argc, argv);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Failure(fmt::format("the standard output cannot be written ({})", std::strerror(errno)));
  }
  return status;
}

}  // namespace pipespec::app
