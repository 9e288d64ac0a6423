#include "pipeline/trace_book.hpp"

#include <iterator>
#include <variant>

namespace pipespec::pipeline {

using namespace decoding;

namespace {

constexpr MessageKind kinds[] = {MessageKind::tokens, MessageKind::correction, MessageKind::progress,
                                 MessageKind::start,  MessageKind::finish,     MessageKind::shutdown};
static_assert(std::size(kinds) == std::variant_size_v<Message>, "in the order of the alternatives of Message");

MessageRecord summary(const Message& message) {
  MessageRecord record;
  record.kind = kinds[message.index()];
  std::visit(
      [&](const auto& m) {
        if constexpr (requires { m.sequence; }) record.sequence = m.sequence;
        if constexpr (requires { m.epoch; }) record.epoch = m.epoch;
        if constexpr (requires { m.position; }) record.position = m.position;
        if constexpr (requires { m.tokens; }) record.count = static_cast<std::int32_t>(m.tokens.size());
        if constexpr (requires { m.prompt; }) record.count = static_cast<std::int32_t>(m.prompt.size());
      },
      message);
  return record;
}

}  // namespace

void TraceBook::record(const Message& message, Direction direction, StageIndex peer) {
  const auto sequence = sequence_of(message);
  if (!sequence) return;
  MessageRecord record = summary(message);
  record.time = clock_.now();
  record.direction = direction;
  record.peer = peer;
  open_[*sequence].messages.push_back(record);
}

void TraceBook::end_pass(double begin, double waited) {
  ++pass_.pass;
  pass_.begin = begin;
  pass_.end = clock_.now();
  pass_.waited = waited;
}

StepRecord& TraceBook::add_step(SequenceId sequence) {
  StepRecord& step = open_[sequence].steps.emplace_back(pass_);
  step.sequence = sequence;
  return step;
}

void TraceBook::record(const Pass& pass, const StepResult& result, const Choice& choice) {
  StepRecord& step = add_step(pass.sequence);
  step.position = pass.begin;
  step.rows = static_cast<std::int32_t>(pass.tokens.size());
  step.offered = pass.drafts;
  step.accepted = result.accepted;
  step.appended = static_cast<std::int32_t>(result.appended.size());
  step.wasted = result.wasted;
  step.kind = pass.kind;
  step.available = choice.available;
  step.expected = choice.expected;
}

void TraceBook::record_given_up(const Pass& pass, const StepResult& result, const Choice& choice) {
  record(pass, result, choice);
  open_[pass.sequence].steps.back().given_up = 1;
}

void TraceBook::record(const Proposal& proposal, const StepResult& result) {
  if (result.appended.empty()) return;  // nothing to say is no step
  StepRecord& step = add_step(proposal.sequence);
  step.position = proposal.length;
  step.appended = static_cast<std::int32_t>(result.appended.size());
  step.kind = StepKind::draft;
}

StageTrace TraceBook::close(const Ended& ended) {
  StageTrace trace;
  if (auto entry = open_.extract(ended.sequence)) trace = std::move(entry.mapped());
  trace.stage = stage_;
  trace.link = ended.statistics;
  return trace;
}

}  // namespace pipespec::pipeline
