/// `main` of tests that run under mpirun: one MPI session, output of rank 0 (and of any rank that fails), and a verdict
/// that all ranks share.
#include <gtest/gtest.h>

#include <cstdio>

#include "comm/communicator.hpp"
#include "comm/session.hpp"

namespace {

using namespace pipespec;

/// Prints failures alone, with the rank in front.
class QuietPrinter final : public testing::EmptyTestEventListener {
 public:
  explicit QuietPrinter(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_, result.file_name(), result.line_number(), result.message());
  }

 private:
  int rank_;
};

/// A rank that has failed a test may have left the others inside a collective call, so it ends them.
class Aborter final : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& info) override {
    if (!info.result()->Failed()) return;
    std::fflush(stdout);
    comm::Session::abort(1);
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const comm::Session session;
  bool failed = true;
  {
    const comm::Communicator world = comm::Communicator::world();
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    if (world.rank() != 0) {
      delete listeners.Release(listeners.default_result_printer());
      listeners.Append(new QuietPrinter(world.rank()));
    }
    if (world.size() > 1) listeners.Append(new Aborter);
    failed = RUN_ALL_TESTS() != 0 || testing::UnitTest::GetInstance()->test_to_run_count() == 0;
  }
  comm::Session::finalise();
  return failed ? 1 : 0;
}
