/// Runs one hot operation for instruction_counts.py to count, short ones a hundred times. The values do not matter to
/// the count, so all are zero. The sizes are SmolLM2-135M's.
#include <fmt/format.h>

#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "ops/attention.hpp"
#include "ops/linear.hpp"
#include "ops/rms_norm.hpp"

namespace {

using namespace pipespec;

constexpr std::int64_t width = 576, feed_forward = 1536, kv_heads = 3, head_dim = 64;

struct Rows {
  Rows(std::int64_t rows, std::int64_t cols) : values(rows * cols), view{values.data(), rows, cols} {}
  std::vector<float> values;
  ops::MatrixView<float> view;
};

/// What valgrind counts: its --toggle-collect names this function.
__attribute__((noinline)) void counted_call(const std::function<void()>& call) {
  call();
}

/// The second call counts; the first chooses the instruction set and touches the memory.
void count(const std::function<void()>& call) {
  call();
  counted_call(call);
}

using Operation = std::function<void()>;

Operation linear(ops::WeightType type, std::int64_t rows) {
  return [=] {
    device::Stream stream(device::Device::host());
    const ops::PackedMatrix weights(type, feed_forward, width);
    Rows x(rows, width), y(rows, feed_forward);
    ops::Activations activations;
    activations.assign(stream, x.view, ops::is_quantized(type) ? ops::NeedsBlocks::yes : ops::NeedsBlocks::no);
    count([&] { ops::linear(stream, weights, activations, y.view); });
  };
}

Operation head(std::int64_t rows) {
  return [=] {
    device::Stream stream(device::Device::host());
    const ops::PackedMatrix weights(ops::WeightType::q8_0, 4096, width);
    Rows x(rows, width);
    ops::Activations activations;
    activations.assign(stream, x.view, ops::NeedsBlocks::yes);
    std::vector<Best> best(rows);
    count([&] { ops::linear_argmax(stream, weights, activations, 0, best); });
  };
}

Operation attention(ops::KvType type, std::int64_t rows) {
  return [=] {
    device::Stream stream(device::Device::host());
    constexpr Position context = 1024, capacity = 1088;
    std::vector<std::int32_t> blocks(ops::KvView::blocks_of(capacity));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::vector<std::byte> storage(blocks.size() * ops::KvView::block_bytes(type, kv_heads, head_dim) + 64);
    auto* aligned = storage.data() + (64 - reinterpret_cast<std::uintptr_t>(storage.data()) % 64) % 64;
    const ops::KvView cache{aligned, blocks.data(), type, kv_heads, head_dim, capacity};
    Rows q(rows, width), out(rows, width);
    const std::array sequence{ops::SequenceRows{cache, context, 0, rows}};
    count([&] { ops::attention(stream, sequence, q.view, out.view); });
  };
}

Operation quantise(std::int64_t rows) {
  return [=] {
    device::Stream stream(device::Device::host());
    Rows x(rows, width);
    ops::Activations activations;
    count([&] {
      for (int i = 0; i < 100; ++i) activations.assign(stream, x.view, ops::NeedsBlocks::yes);
    });
  };
}

Operation norm(std::int64_t rows) {
  return [=] {
    device::Stream stream(device::Device::host());
    Rows x(rows, width), y(rows, width);
    const std::vector<float> weight(width);
    count([&] {
      for (int i = 0; i < 100; ++i) ops::rms_norm(stream, x.view, weight, 1e-5f, y.view);
    });
  };
}

std::map<std::string, Operation> operations() {
  std::map<std::string, Operation> all;
  for (const std::int64_t rows : {1, 4, 8}) {
    const std::string suffix = fmt::format(", {} row{}", rows, rows > 1 ? "s" : "");
    for (const auto type : {ops::WeightType::q4_1, ops::WeightType::q8_0, ops::WeightType::bf16})
      all[fmt::format("linear {}", ops::to_string(type)) + suffix] = linear(type, rows);
    all["head" + suffix] = head(rows);
    all["attention" + suffix] = attention(ops::KvType::f16, rows);
    all["attention int8" + suffix] = attention(ops::KvType::int8, rows);
    all["100 quantise" + suffix] = quantise(rows);
    all["100 norm" + suffix] = norm(rows);
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const auto all = operations();
  if (argc == 1) {
    for (const auto& [name, run] : all) fmt::print("{}\n", name);
    return 0;
  }
  all.at(argv[1])();
  return 0;
}
