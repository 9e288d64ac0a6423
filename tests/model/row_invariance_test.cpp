/// The logits of a token are a function of the weights and the tokens of its prefix, bit for bit.
#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <string>

#include "model/model_fixture.hpp"
#include "model/transformer.hpp"

namespace pipespec::model {
namespace {

using io::GgmlType;

struct Kind {
  const char* name;
  GgmlType type;
  WeightFormat format = WeightFormat::native;
  int ranks = 1;
};

// Three KV heads on two ranks and five blocks of feed-forward columns on two or three: uneven shards.
const testing::TinyModel shape{
    .layers = 3, .width = 96, .heads = 6, .kv_heads = 3, .feed_forward = 160, .vocabulary = 300};
constexpr std::size_t text_length = 150;  // more than a chunk

std::vector<std::uint32_t> bits(std::span<const float> values) {
  std::vector<std::uint32_t> all;
  for (const float value : values) all.push_back(std::bit_cast<std::uint32_t>(value));
  return all;
}

class RowInvariance : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    const testing::TinyModel model = testing::with_type(shape, GetParam().type);
    checkpoint_ = testing::open(testing::make_tiny_gguf(model));
    text_ = testing::random_text(text_length, model.vocabulary);
    on_every_rank(
        {}, [&](Transformer& transformer) { return testing::logits(transformer, text_); },
        [&](const std::vector<float>& logits) { whole_ = bits(logits); });
  }

  /// Runs `compute` on every rank of a group of the kind's size, each with a model of its own, and hands rank 0's
  /// result on.
  template <class Compute, class Receive>
  void on_every_rank(ModelOptions options, Compute&& compute, Receive&& receive) {
    options.weights = GetParam().format;
    testing::run_ranks(GetParam().ranks, [&](comm::Group& group) {
      Transformer transformer(checkpoint_, options, &group);
      const auto result = compute(transformer);
      if (group.rank() == 0) receive(result);
    });
  }

  /// Expects that feeding the text in pieces, in each of the given ways, gives the bits of feeding it whole.
  void expect_same_bits(ModelOptions options, const std::vector<std::vector<std::size_t>>& ways) {
    on_every_rank(
        options,
        [&](Transformer& transformer) {
          std::vector<std::vector<float>> all;
          for (const auto& pieces : ways) all.push_back(logits_in_pieces(transformer, pieces));
          return all;
        },
        [&](const std::vector<std::vector<float>>& all) {
          for (std::size_t i = 0; i < ways.size(); ++i) {
            SCOPED_TRACE(::testing::PrintToString(ways[i]));
            EXPECT_EQ(all[i].size(), whole_.size());
            expect_prefix(all[i]);
          }
        });
  }

  std::vector<float> logits_in_pieces(Transformer& transformer, const std::vector<std::size_t>& pieces) const {
    transformer.truncate(0, 0);
    std::vector<float> all;
    std::size_t done = 0;
    for (const std::size_t piece : pieces) {
      const auto part = testing::logits(transformer, std::span(text_).subspan(done, piece));
      all.insert(all.end(), part.begin(), part.end());
      done += piece;
    }
    return all;
  }

  void expect_prefix(const std::vector<float>& logits) {
    ASSERT_LE(logits.size(), whole_.size());
    const auto found = bits(logits);
    const auto [a, b] = std::ranges::mismatch(found, whole_);
    EXPECT_EQ(a, found.end()) << "first difference in row " << (a - found.begin()) / shape.vocabulary;
  }

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::vector<Token> text_;
  std::vector<std::uint32_t> whole_;  // logits of the whole text in one call
};

std::vector<std::size_t> pieces_of(std::size_t rows) {
  std::vector<std::size_t> pieces(text_length / rows, rows);
  if (text_length % rows != 0) pieces.push_back(text_length % rows);
  return pieces;
}

TEST_P(RowInvariance, AnyNumberOfRowsFrom1To64) {
  std::vector<std::vector<std::size_t>> ways;
  for (std::size_t rows = 1; rows <= 64; ++rows) ways.push_back(pieces_of(rows));
  expect_same_bits({}, ways);
}

TEST_P(RowInvariance, AnyChunking) {
  std::mt19937 random(11);
  std::vector<std::vector<std::size_t>> ways(20);
  for (auto& pieces : ways)
    for (std::size_t left = text_length; left > 0; left -= pieces.back())
      pieces.push_back(std::min<std::size_t>(left, 1 + random() % 70));
  expect_same_bits({}, ways);
}

TEST_P(RowInvariance, AnyNumberOfThreads) {
  for (const int threads : {1, 2, 3}) {
    SCOPED_TRACE(threads);
    expect_same_bits({.threads = threads}, {pieces_of(1), pieces_of(23)});
  }
}

TEST_P(RowInvariance, AnySlotAndContextLength) {
  const auto length = static_cast<Position>(text_length);
  for (const Position context : {length, length + 1, Position{512}}) {
    SCOPED_TRACE(context);
    on_every_rank(
        {.slots = 3, .context = context}, [&](Transformer& t) { return testing::logits(t, text_, 2); },
        [&](const std::vector<float>& logits) { expect_prefix(logits); });
  }
}

TEST_P(RowInvariance, AfterRandomRollbacks) {
  on_every_rank(
      {},
      [&](Transformer& transformer) {
        std::mt19937 random(5);
        const auto vocabulary = static_cast<std::size_t>(shape.vocabulary);
        std::vector<float> all;
        for (std::size_t done = 0; done < text_length;) {
          const auto wrong = testing::random_text(1 + random() % 20, shape.vocabulary, random());
          if (done + wrong.size() <= 400) testing::logits(transformer, wrong);  // drafts that turn out wrong
          done -= std::min<std::size_t>(done, random() % 9);
          transformer.truncate(0, static_cast<Position>(done));
          all.resize(done * vocabulary);
          const std::size_t rows = std::min<std::size_t>(text_length - done, 1 + random() % 40);
          const auto part = testing::logits(transformer, std::span(text_).subspan(done, rows));
          all.insert(all.end(), part.begin(), part.end());
          done += rows;
        }
        return all;
      },
      [&](const std::vector<float>& logits) {
        EXPECT_EQ(logits.size(), whole_.size());
        expect_prefix(logits);
      });
}

TEST_P(RowInvariance, WithOtherSegmentsInThePass) {
  constexpr int slots = 5;
  on_every_rank(
      {.slots = slots},
      [&](Transformer& transformer) {
        std::mt19937 random(3);
        for (std::size_t done = 0; done < text_length - 10;) {  // slot 2 holds the text, the others noise of any length
          const std::size_t rows = std::min<std::size_t>(text_length - 10 - done, 1 + random() % 50);
          std::vector<std::vector<Token>> noise;
          std::vector<Segment> segments;
          for (Slot slot = 0; slot < slots; ++slot) {
            noise.push_back(testing::random_text(1 + random() % 30, shape.vocabulary, random()));
            if (transformer.length(slot) > 400) transformer.truncate(slot, 3);
            segments.push_back({slot, transformer.length(slot), noise.back(), 1});
          }
          segments[2] = {2, static_cast<Position>(done), std::span(text_).subspan(done, rows), 1};
          std::ranges::shuffle(segments, random);
          std::vector<Token> next(slots);
          transformer.forward(segments, next);
          done += rows;
        }
        return testing::logits(transformer, std::span(text_).subspan(text_length - 10),
                               2);  // sees every bit of the slot's keys and values
      },
      [&](const std::vector<float>& logits) {
        EXPECT_EQ(bits(logits), std::vector(whole_.end() - static_cast<std::ptrdiff_t>(logits.size()), whole_.end()));
      });
}

TEST_P(RowInvariance, WithBlocksInCommon) {
  on_every_rank(
      {.slots = 2},
      [&](Transformer& transformer) {
        testing::logits(transformer, text_, 0);
        EXPECT_EQ(transformer.share(0, 1, 140), 128);
        // Both go on in the middle of a block that they share, the first with another text.
        transformer.truncate(0, 70);
        transformer.truncate(1, 100);
        const auto other = testing::random_text(50, shape.vocabulary, 7);
        const Segment both[] = {{0, 70, other, 1}, {1, 100, std::span(text_).subspan(100, 20), 1}};
        std::vector<Token> next(2);
        transformer.forward(both, next);
        auto all = testing::logits(transformer, std::span(text_).subspan(120), 1);
        transformer.truncate(0, 70);
        const auto first = testing::logits(transformer, std::span(text_).subspan(70), 0);
        all.insert(all.end(), first.begin(), first.end());
        return all;
      },
      [&](const std::vector<float>& logits) {
        const auto found = bits(logits);
        const auto rows = [](std::size_t count) { return static_cast<std::ptrdiff_t>(count * shape.vocabulary); };
        EXPECT_TRUE(std::equal(found.begin(), found.begin() + rows(30), whole_.begin() + rows(120), whole_.end()));
        EXPECT_TRUE(std::equal(found.begin() + rows(30), found.end(), whole_.begin() + rows(70), whole_.end()));
      });
}

INSTANTIATE_TEST_SUITE_P(Kinds, RowInvariance,
                         ::testing::Values(Kind{"f32", GgmlType::f32}, Kind{"f16", GgmlType::f16},
                                           Kind{"bf16", GgmlType::bf16}, Kind{"q8_0", GgmlType::q8_0},
                                           Kind{"q4_0", GgmlType::q4_0}, Kind{"q4_1", GgmlType::q4_1},
                                           Kind{"q4_k", GgmlType::q4_k}, Kind{"q6_k", GgmlType::q6_k},
                                           Kind{"q4_1_as_bf16", GgmlType::q4_1, WeightFormat::bf16},
                                           Kind{"f32_as_int8", GgmlType::f32, WeightFormat::int8},
                                           Kind{"bf16_as_int4", GgmlType::bf16, WeightFormat::int4},
                                           Kind{"f32_on_2_ranks", GgmlType::f32, WeightFormat::native, 2},
                                           Kind{"bf16_on_2_ranks", GgmlType::bf16, WeightFormat::native, 2},
                                           Kind{"q8_0_on_2_ranks", GgmlType::q8_0, WeightFormat::native, 2},
                                           Kind{"q4_0_on_2_ranks", GgmlType::q4_0, WeightFormat::native, 2},
                                           Kind{"q4_1_on_2_ranks", GgmlType::q4_1, WeightFormat::native, 2},
                                           Kind{"q4_1_on_3_ranks", GgmlType::q4_1, WeightFormat::native, 3},
                                           Kind{"q4_k_on_2_ranks", GgmlType::q4_k, WeightFormat::native, 2},
                                           Kind{"q6_k_on_3_ranks", GgmlType::q6_k, WeightFormat::native, 3},
                                           Kind{"bf16_as_int8_on_2_ranks", GgmlType::bf16, WeightFormat::int8, 2},
                                           Kind{"f32_as_int4_on_3_ranks", GgmlType::f32, WeightFormat::int4, 3}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace pipespec::model
