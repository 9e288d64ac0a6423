/// A forward pass allocates nothing: counted at the operator new that this executable replaces.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "model/model_fixture.hpp"

namespace {

std::atomic<int> allocations{0};

void* counted(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace pipespec::model {
namespace {

class Allocation : public ::testing::TestWithParam<Sampling> {};

TEST_P(Allocation, APassAllocatesNothingOnceOneOfItsSizeHasRun) {
  const testing::TinyModel shape{.type = io::GgmlType::q4_1};
  Transformer transformer(testing::open(testing::make_tiny_gguf(shape)),
                          {.slots = 2, .threads = 2, .sampling = GetParam()});
  const auto text = testing::random_text(150, shape.vocabulary);
  std::vector<Token> next(12);
  int asked = 0;
  const auto pass = [&] {
    const Segment segments[] = {{0, 0, text, 4}, {1, 0, std::span(text).first(8), 8}};
    transformer.forward(segments, next, [&asked] { return ++asked > 0; });
    transformer.truncate(0, 0);
    transformer.truncate(1, 0);
  };
  pass();
  const int before = allocations;
  pass();
  EXPECT_EQ(allocations - before, 0);
  EXPECT_GT(asked, 0);
}

INSTANTIATE_TEST_SUITE_P(Samplings, Allocation,
                         ::testing::Values(Sampling{}, Sampling{.temperature = 1, .top_k = 20, .top_p = 0.9},
                                           Sampling{.repetition_penalty = 2}),
                         [](const auto& instance) {
                           return instance.param.is_greedy()      ? "Greedy"
                                  : instance.param.is_penalised() ? "Penalised"
                                                                  : "Drawn";
                         });

}  // namespace
}  // namespace pipespec::model
