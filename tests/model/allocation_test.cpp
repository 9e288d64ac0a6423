/// A forward pass allocates nothing: counted at operator new and aligned_alloc, which this executable replaces.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <tuple>

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
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++allocations;
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
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

class Allocation : public ::testing::TestWithParam<std::tuple<Sampling, bool>> {};

TEST_P(Allocation, APassAllocatesNothing) {
  const testing::TinyModel shape{.type = io::GgmlType::q4_1};
  Transformer transformer(testing::open(testing::make_tiny_gguf(shape)),
                          {.slots = 2,
                           .threads = 2,
                           .sampling = std::get<Sampling>(GetParam()),
                           .tells_probabilities = std::get<bool>(GetParam())});
  const auto text = testing::random_text(150, shape.vocabulary);
  std::vector<Token> next(12);
  std::vector<float> probabilities(12);
  int asked = 0;
  const auto pass = [&] {
    const Segment segments[] = {{0, 0, text, 4}, {1, 0, std::span(text).first(8), 8}};
    transformer.forward(
        segments, next, [&asked] { return ++asked > 0; }, probabilities);
    transformer.truncate(0, 0);
    transformer.truncate(1, 0);
  };
  const int before = allocations;
  EXPECT_GT(before, 0) << "the model has memory of its own";
  pass();
  EXPECT_EQ(allocations - before, 0);
  EXPECT_GT(asked, 0);
}

std::string name_of(const Sampling& sampling) {
  return sampling.is_greedy() ? "Greedy" : sampling.is_penalised() ? "Penalised" : "Drawn";
}

INSTANTIATE_TEST_SUITE_P(Samplings, Allocation,
                         ::testing::Combine(::testing::Values(Sampling{},
                                                              Sampling{.temperature = 1, .top_k = 20, .top_p = 0.9},
                                                              Sampling{.repetition_penalty = 2}),
                                            ::testing::Bool()),
                         [](const auto& which) {
                           return name_of(std::get<Sampling>(which.param)) +
                                  (std::get<bool>(which.param) ? "Telling" : "");
                         });

}  // namespace
}  // namespace pipespec::model
