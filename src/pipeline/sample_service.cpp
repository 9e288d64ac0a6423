#include "pipeline/sample_service.hpp"

#include <array>
#include <utility>

#include "comm/backoff.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"

namespace pipespec::pipeline {

namespace {

// A message is two words: what it says, and a number.
enum class Grant : std::int32_t { sample, finish, abandon, closed };
enum class Report : std::int32_t { tokens, done, left };

constexpr double seconds_between_reports = 0.2;  // of tokens

template <class Kind>
void send(comm::WordChannel& channel, int rank, Kind kind, std::int32_t number = 0) {
  channel.send(rank, std::array{static_cast<std::int32_t>(kind), number});
}

template <class Condition>
void wait_until(const Condition& is_met, const comm::OnPoll& on_poll) {
  for (comm::Backoff backoff; !is_met(); backoff.pause()) on_poll();
}

}  // namespace

SampleChannels::SampleChannels(const comm::Communicator& comm, int head_rank, std::vector<int> target_ranks,
                               comm::Doorbells* bells)
    : head(head_rank),
      targets(std::move(target_ranks)),
      grants(comm, {head}, comm::Tag::sample_grant, bells),
      reports(comm, comm.rank() == head ? targets : std::vector<int>(), comm::Tag::sample_report, bells) {}

// ------------------------------------------------------------------------------------------------------ the head

SampleServer::SampleServer(SampleChannels& channels, Dispatcher dispatcher, Observer observer)
    : channels_(channels), dispatcher_(std::move(dispatcher)), observer_(std::move(observer)) {
  expect(dispatcher_.replicas() == std::ssize(channels_.targets), "a replica has a target");
}

void SampleServer::poll() {
  for (int replica = 0; replica < dispatcher_.replicas(); ++replica) {
    while (const auto words = channels_.reports.receive(channels_.targets[replica])) receive(replica, *words);
  }
  if (std::exchange(has_changed_, false)) supply();
}

void SampleServer::receive(int replica, std::span<const std::int32_t> words) {
  const std::int32_t number = words[1];
  switch (Report{words[0]}) {
    case Report::tokens:
      if (observer_.on_tokens) observer_.on_tokens(number);
      return;
    case Report::done:
      dispatcher_.done(replica, number);
      if (observer_.on_sample) observer_.on_sample();
      break;
    case Report::left:
      dispatcher_.leave(replica);
      ++left_;
      send(channels_.grants, channels_.targets[replica], Grant::closed);
      break;
  }
  has_changed_ = true;
}

/// In turns, so that nobody gets all the long ones.
void SampleServer::supply() {
  if (dispatcher_.is_done()) finish();
  for (bool any = phase_ == Phase::open; any;) {
    any = false;
    for (int replica = 0; replica < dispatcher_.replicas(); ++replica) {
      const std::optional<std::int32_t> sample = dispatcher_.grant(replica);
      if (!sample) continue;
      send(channels_.grants, channels_.targets[replica], Grant::sample, *sample);
      any = true;
    }
  }
}

void SampleServer::finish() {
  enter(Phase::finishing);
}

void SampleServer::abandon() {
  enter(Phase::abandoned);
}

void SampleServer::enter(Phase phase) {
  if (phase <= phase_) return;
  phase_ = phase;
  const Grant word = phase == Phase::finishing ? Grant::finish : Grant::abandon;
  for (int replica = 0; replica < dispatcher_.replicas(); ++replica) {
    if (!dispatcher_.has_left(replica)) send(channels_.grants, channels_.targets[replica], word);
  }
}

void SampleServer::wait_until_closed(const comm::OnPoll& on_poll) const {
  wait_until([this] { return left_ == dispatcher_.replicas(); }, on_poll);
}

// --------------------------------------------------------------------------------------------------- the targets

void SampleClient::poll() {
  channels_.reports.flush();  // nobody else may call MPI meanwhile
  while (const auto words = channels_.grants.receive(channels_.head)) {
    switch (Grant{words->at(0)}) {
      case Grant::sample:
        ready_.push_back(words->at(1));
        break;
      case Grant::abandon:
        is_abandoned_ = true;
        ready_.clear();
        [[fallthrough]];
      case Grant::finish:
        is_finishing_ = true;
        break;
      case Grant::closed:
        is_closed_ = true;
        return;  // what follows is of the next experiment
    }
  }
}

std::optional<std::int32_t> SampleClient::next() {
  if (ready_.empty()) return std::nullopt;
  const std::int32_t sample = ready_.front();
  ready_.pop_front();
  return sample;
}

void SampleClient::add_tokens(std::int64_t count) {
  tokens_ += count;
  if (steady_seconds() - reported_ >= seconds_between_reports) report_tokens();
}

void SampleClient::report_tokens() {
  reported_ = steady_seconds();
  send(channels_.reports, channels_.head, Report::tokens, static_cast<std::int32_t>(std::exchange(tokens_, 0)));
}

void SampleClient::done(std::int32_t sample) {
  report_tokens();
  send(channels_.reports, channels_.head, Report::done, sample);
}

void SampleClient::leave(const comm::OnPoll& on_poll) {
  send(channels_.reports, channels_.head, Report::left);
  wait_until([this] { return is_closed_; }, on_poll);
}

}  // namespace pipespec::pipeline
