#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "app/agreement.hpp"
#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "app/experiment.hpp"
#include "app/stop_matcher.hpp"
#include "app/stop_signal.hpp"
#include "app/workload.hpp"
#include "comm/stop_board.hpp"
#include "core/error.hpp"
#include "text/chat_template.hpp"

namespace pipespec::app {

namespace {

/// One prompt; its text is printed as far as no stop string can take it back.
class StreamingQueue final : public pipeline::SampleQueue {
 public:
  StreamingQueue(std::vector<Token> prompt, Position max_length, const text::Tokenizer& tokenizer,
                 const std::vector<std::string>& stops, comm::StopBoard& stop_board)
      : prompt_(std::move(prompt)),
        max_length_(max_length),
        tokenizer_(tokenizer),
        stop_board_(stop_board),
        text_(tokenizer, stops) {}

  std::optional<pipeline::Request> next() override {
    if (std::exchange(is_handed_out_, true)) return std::nullopt;
    return pipeline::Request{.key = 0, .prompt = prompt_, .max_length = max_length_};
  }

  bool is_exhausted() override { return is_handed_out_; }
  bool should_abandon() override { return stop_requested() || stop_board_.is_asked(); }

  std::optional<std::size_t> commit(std::int64_t, std::span<const Token> tokens) override {
    const std::span<const Token> ends = tokenizer_.end_tokens();
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (std::find(ends.begin(), ends.end(), tokens[i]) != ends.end()) break;
      if (text_.push(tokens[i])) {
        print(text_.text().size());
        return i + 1;
      }
    }
    print(text_.settled());
    return std::nullopt;
  }

  void answered(pipeline::Answer answer) override {
    if (answer.finish != FinishReason::stop_string) text_.finish();
    print(text_.text().size());
    const auto tokens = static_cast<double>(answer.tokens.size());
    const double seconds = answer.commit_times.back() - answer.start;
    fmt::print("\n");
    fmt::print(stderr, "{} tokens in {:.2f} s ({:.1f} tokens/s, prompt included)\n", tokens, seconds, tokens / seconds);
    is_complete_ = true;
  }

  bool is_complete() const { return is_complete_; }

 private:
  void print(std::size_t end) {
    if (end <= printed_) return;
    std::fwrite(text_.text().data() + printed_, 1, end - printed_, stdout);
    std::fflush(stdout);
    printed_ = end;
  }

  std::vector<Token> prompt_;
  Position max_length_;
  const text::Tokenizer& tokenizer_;
  comm::StopBoard& stop_board_;
  StopMatcher text_;
  std::size_t printed_ = 0;
  bool is_handed_out_ = false;
  bool is_complete_ = false;
};

int experiment_index(const config::RunConfig& config, const GenerateArguments& arguments) {
  const auto& all = config.experiments;
  if (!arguments.experiment) return static_cast<int>(all.size()) - 1;
  std::string labels;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].label == *arguments.experiment) return static_cast<int>(i);
    labels += (i > 0 ? ", " : "") + all[i].label;
  }
  reject("--experiment {} (no experiment has this label): {} has {}", *arguments.experiment, arguments.config, labels);
}

std::vector<Token> encode_prompt(const GenerateArguments& arguments, const config::RunConfig& config,
                                 const text::Tokenizer& tokenizer) {
  std::vector<Token> tokens;
  if (arguments.is_raw) {
    tokens = tokenizer.encode(arguments.prompt);
  } else {
    const text::Message message{"user", arguments.prompt};
    const auto chosen = chat_format_of(config);
    const text::ChatFormat format = chosen ? *chosen : text::chat_format_of(tokenizer);
    tokens = text::encode_chat(format, {&message, 1}, tokenizer);
  }
  validate(!tokens.empty(), "--prompt (it is empty): give some text");
  return tokens;
}

}  // namespace

int generate_command(const comm::Communicator& world, const GenerateArguments& arguments) {
  std::vector<std::string> overrides = arguments.overrides;
  overrides.emplace_back("replicas=1");  // one prompt, one pipeline
  const Job job = open_job(world, arguments.config, overrides);
  const int target = job.topology.target_leader();
  comm::Doorbells bells(world);
  comm::StopBoard stop_board(world, target, &bells);
  StageFiles files;
  std::optional<StreamingQueue> queue;
  std::vector<Token> end_tokens;
  int index = 0;
  std::array<std::int64_t, 1> positions{};
  together(world, [&] {
    index = experiment_index(job.config, arguments);
    files = open_stage(job.config, job.stage(), Purpose::run);
    if (!job.is_target_leader()) return;
    std::vector<Token> prompt = encode_prompt(arguments, job.config, *files.tokenizer);
    const Position context = files.context;
    const auto length = static_cast<Position>(prompt.size());
    validate(length < context, "--prompt (it has {} tokens, the target's context is {}): shorten it", length, context);
    positions[0] = std::min(context, length + job.config.generation.max_new_tokens);
    queue.emplace(std::move(prompt), static_cast<Position>(positions[0]), *files.tokenizer, job.config.generation.stop,
                  stop_board);
    const auto ends = files.tokenizer->end_tokens();
    end_tokens.assign(ends.begin(), ends.end());
  });
  world.broadcast(positions, target);
  end_tokens = world.broadcast(std::move(end_tokens), target);
  const auto context = static_cast<Position>(positions[0]);
  together(world, [&] { check_context(job.stage(), files, context); });
  std::optional<StageRank> rank;
  together(world, [&] { rank.emplace(job, files, context); });

  const std::vector<RankSite> sites = gather_sites(world);
  comm::WordChannel channel = make_leader_channel(job, bells);
  const RunClock clock(steady_seconds());
  const Participant participant{job, sites, end_tokens, *rank, channel, clock};
  const auto pass_on_signals = [&] {
    if (stop_requested()) stop_board.ask();
  };
  run_experiment(participant, index, queue ? &*queue : nullptr, {}, {}, pass_on_signals);
  std::array<std::int64_t, 1> is_complete{queue && queue->is_complete() ? 1 : 0};
  world.broadcast(is_complete, target, pass_on_signals);
  stop_board.close();
  return is_complete[0] != 0 ? exit_done : exit_stopped_early;
}

}  // namespace pipespec::app
