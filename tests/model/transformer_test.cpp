#include "model/transformer.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "model/model_fixture.hpp"
#include "model/reference.hpp"

namespace pipespec::model {
namespace {

using io::GgmlType;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using testing::TinyModel;

std::vector<double> flat(const std::vector<std::vector<double>>& rows) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

/// Relative error of the logits of a text longer than a chunk, against the reference on the same stored weights.
double error_against_reference(const TinyModel& model, WeightFormat format, ops::KvType kv_cache = ops::KvType::f32) {
  const testing::TinyGguf gguf = testing::make_tiny_gguf(model);
  const auto text = testing::random_text(Transformer::chunk_rows + 9, model.vocabulary);
  Transformer transformer(testing::open(gguf), {.weights = format, .kv_cache = kv_cache});
  return testing::relative_error(testing::logits(transformer, text), flat(testing::reference_logits(gguf, text)));
}

struct Shape {
  const char* name;
  TinyModel model;
};

class ShapeTest : public ::testing::TestWithParam<Shape> {};

TEST_P(ShapeTest, LogitsEqualTheReference) {
  EXPECT_LT(error_against_reference(GetParam().model, WeightFormat::f32), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Architectures, ShapeTest,
    ::testing::Values(Shape{"grouped_queries", {}}, Shape{"every_head_its_own_keys", {.kv_heads = 4}},
                      Shape{"one_kv_head", {.kv_heads = 1}}, Shape{"head_of_its_own", {.tied = false}},
                      Shape{"rope_factors", {.rope_factors = true}}, Shape{"rope_base", {.rope_base = 5e5f}},
                      Shape{"large_epsilon", {.rms_epsilon = 0.5f}},
                      Shape{"wide_heads", {.width = 96, .heads = 3, .kv_heads = 3, .head_dim = 64}},
                      Shape{"odd_sizes",
                            {.width = 36, .heads = 6, .head_dim = 10, .feed_forward = 50, .vocabulary = 37}}),
    [](const auto& instance) { return std::string(instance.param.name); });

struct Stored {
  GgmlType type;
  double native_error;  ///< what 8-bit activations, or weights rounded to bf16, may cost
};

class StoredTypeTest : public ::testing::TestWithParam<Stored> {};

TEST_P(StoredTypeTest, WidenedToF32LogitsEqualTheReference) {
  EXPECT_LT(error_against_reference(testing::with_type({}, GetParam().type), WeightFormat::f32), 1e-5);
}

TEST_P(StoredTypeTest, NativeLogitsAreCloseToTheReference) {
  EXPECT_LT(error_against_reference(testing::with_type({}, GetParam().type), WeightFormat::native),
            GetParam().native_error);
}

TEST_P(StoredTypeTest, WidenedToBf16LogitsAreCloseToTheReference) {
  EXPECT_LT(error_against_reference(testing::with_type({}, GetParam().type), WeightFormat::bf16), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Types, StoredTypeTest,
                         ::testing::Values(Stored{GgmlType::f32, 1e-5}, Stored{GgmlType::f16, 1e-5},
                                           Stored{GgmlType::bf16, 1e-5}, Stored{GgmlType::q8_0, 2e-2},
                                           Stored{GgmlType::q4_0, 2e-2}, Stored{GgmlType::q4_1, 2e-2},
                                           Stored{GgmlType::q5_0, 1e-2}, Stored{GgmlType::q5_1, 1e-2},
                                           Stored{GgmlType::q2_k, 1e-2}, Stored{GgmlType::q3_k, 1e-2},
                                           Stored{GgmlType::q4_k, 2e-2}, Stored{GgmlType::q5_k, 1e-2},
                                           Stored{GgmlType::q6_k, 2e-2}),
                         [](const auto& instance) { return std::string(io::info(instance.param.type).name); });

TEST(Transformer, KeysAndValuesInHalfPrecisionCostLittle) {
  const double error = error_against_reference({}, WeightFormat::native, ops::KvType::f16);
  EXPECT_LT(error, 5e-4);
  EXPECT_GT(error, 1e-5) << "they are not in half precision";
}

TEST(Transformer, KeysAndValuesOfEightBitsCostSomeMore) {
  const double error = error_against_reference({}, WeightFormat::native, ops::KvType::int8);
  EXPECT_LT(error, 5e-3);
  EXPECT_GT(error, 1e-4) << "they are not of eight bits";
}

TEST(Transformer, TypesMayDifferBetweenTensors) {
  const TinyModel mixed{.type = GgmlType::q4_0, .vocabulary_type = GgmlType::f16};
  EXPECT_LT(error_against_reference(mixed, WeightFormat::native), 2e-2);
}

TEST(Transformer, ForwardGivesTheLargestLogitsToken) {
  const TinyModel model{.tied = false};
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(200, model.vocabulary);
  Transformer transformer(checkpoint, {});
  const auto all = testing::logits(transformer, text);
  transformer.truncate(0, 0);
  std::vector<Token> next(text.size());
  const Segment segment{0, 0, text, static_cast<int>(text.size())};
  transformer.forward({&segment, 1}, next);
  for (std::size_t r = 0; r < text.size(); ++r) {
    const auto row = all.begin() + static_cast<std::ptrdiff_t>(r) * model.vocabulary;
    EXPECT_EQ(next[r], std::max_element(row, row + model.vocabulary) - row) << "row " << r;
  }
}

TEST(Transformer, TellsHowLikelyItsMostLikelyTokensAre) {
  const TinyModel model{.tied = false};
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(200, model.vocabulary);
  Transformer silent(checkpoint, {}), telling(checkpoint, {.tells_probabilities = true});
  const auto all = testing::logits(silent, text);
  silent.truncate(0, 0);
  std::vector<Token> expected(text.size()), next(text.size());
  std::vector<float> untouched(text.size(), -1.0f), probabilities(text.size());
  const Segment segment{0, 0, text, static_cast<int>(text.size())};
  silent.forward({&segment, 1}, expected, {}, untouched);
  telling.forward({&segment, 1}, next, {}, probabilities);
  EXPECT_EQ(next, expected);
  EXPECT_EQ(untouched, std::vector<float>(text.size(), -1.0f));
  for (std::size_t r = 0; r < text.size(); ++r) {
    const float* row = all.data() + r * static_cast<std::size_t>(model.vocabulary);
    double sum = 0;
    for (int i = 0; i < model.vocabulary; ++i) sum += std::exp(double{row[i]} - row[expected[r]]);
    EXPECT_NEAR(probabilities[r], 1 / sum, 1e-5) << "row " << r;
  }
}

TEST(Transformer, TellsProbabilitiesBeforeSampling) {
  const TinyModel model{.tied = false};
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(40, model.vocabulary);
  const auto told = [&](const Sampling& sampling) {
    Transformer transformer(checkpoint, {.sampling = sampling, .tells_probabilities = true});
    std::vector<Token> next(text.size());
    std::vector<float> probabilities(text.size());
    const Segment segment{0, 0, text, static_cast<int>(text.size())};
    transformer.forward({&segment, 1}, next, {}, probabilities);
    return std::pair(next, probabilities);
  };
  const auto [greedy, certain] = told({});
  const auto [drawn, same] = told({.temperature = 100, .top_k = 5, .seed = 3});
  EXPECT_EQ(same, certain);
  EXPECT_NE(drawn, greedy);
}

TEST(Transformer, OutputsAreThoseOfEachSegmentsLastRows) {
  const TinyModel model{};
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  Transformer transformer(checkpoint, {.slots = 3});
  const auto text = testing::random_text(300, model.vocabulary);
  std::vector<Token> all(text.size());
  const Segment whole{0, 0, text, static_cast<int>(text.size())};
  transformer.forward({&whole, 1}, all);
  transformer.truncate(0, 0);

  std::vector<Token> next(140 + 2);
  const Segment segments[] = {
      {0, 0, text, 140}, {1, 0, std::span(text).first(50), 0}, {2, 0, std::span(text).first(7), 2}};
  transformer.forward(segments, next);
  EXPECT_TRUE(std::equal(next.begin(), next.begin() + 140, all.end() - 140));
  EXPECT_EQ(next[140], all[5]);
  EXPECT_EQ(next[141], all[6]);
}

/// What a model draws after each token of a text, taken `chunk` tokens at a time. The logits of random weights lie far
/// apart, so only high temperatures draw anything but the largest.
std::vector<Token> drawn(const testing::TinyGguf& file, const ModelOptions& options, std::span<const Token> text,
                         std::size_t chunk, std::uint64_t sequence = 3, comm::Group* group = nullptr) {
  Transformer transformer(testing::open(file), options, group);
  std::vector<Token> next(text.size());
  for (std::size_t begin = 0; begin < text.size(); begin += chunk) {
    const std::size_t end = std::min(begin + chunk, text.size());
    const Segment segment{.slot = 0,
                          .begin = static_cast<Position>(begin),
                          .tokens = text.subspan(begin, end - begin),
                          .outputs = static_cast<int>(end - begin),
                          .sequence = sequence,
                          .recent = text.first(end)};
    transformer.forward({&segment, 1}, std::span(next).subspan(begin, end - begin));
  }
  return next;
}

TEST(Transformer, DrawsTheSameTokensWhateverTheChunks) {
  const auto file = testing::make_tiny_gguf({});
  const auto text = testing::random_text(200, file.model.vocabulary);
  for (const Sampling& sampling : {Sampling{.temperature = 30, .seed = 9}, Sampling{.repetition_penalty = 5},
                                   Sampling{.temperature = 30, .top_k = 40, .repetition_penalty = 1.2}}) {
    const auto expected = drawn(file, {.sampling = sampling}, text, 1);
    EXPECT_EQ(drawn(file, {.sampling = sampling}, text, 7), expected);
    EXPECT_EQ(drawn(file, {.sampling = sampling}, text, 200), expected);
    EXPECT_NE(drawn(file, {}, text, 200), expected) << "it is greedy";
  }
}

TEST(Transformer, DrawsOtherTokensForAnotherSequenceOrSeed) {
  const auto file = testing::make_tiny_gguf({});
  const auto text = testing::random_text(50, file.model.vocabulary);
  const auto expected = drawn(file, {.sampling = {.temperature = 30}}, text, 50);
  EXPECT_NE(drawn(file, {.sampling = {.temperature = 30}}, text, 50, 4), expected);
  EXPECT_NE(drawn(file, {.sampling = {.temperature = 30, .seed = 1}}, text, 50), expected);
}

TEST(Transformer, AtTheLowestTemperatureItDrawsTheLargestLogitsToken) {
  const auto file = testing::make_tiny_gguf({});
  const auto text = testing::random_text(50, file.model.vocabulary);
  const Sampling cold{.temperature = 0.01, .top_k = 1};
  EXPECT_EQ(drawn(file, {.sampling = cold}, text, 50), drawn(file, {}, text, 50));
}

/// Every third token of the tiny vocabulary and its last.
std::vector<Token> some_tokens(int vocabulary) {
  std::vector<Token> tokens;
  for (Token token = 1; token < vocabulary - 1; token += 3) tokens.push_back(token);
  tokens.push_back(vocabulary - 1);
  return tokens;
}

TEST(Transformer, LogitsOfADraftVocabularyAreThoseOfItsTokens) {
  for (const GgmlType type : {GgmlType::f32, GgmlType::q4_1, GgmlType::q2_k}) {
    const auto file = testing::make_tiny_gguf(testing::with_type({.tied = false}, type));
    const auto checkpoint = testing::open(file);
    const std::vector<Token> tokens = some_tokens(file.model.vocabulary);
    const auto text = testing::random_text(20, file.model.vocabulary);
    Transformer whole(checkpoint, {}), draft(checkpoint, {.draft_vocabulary = tokens});
    const auto all = testing::logits(whole, text), some = testing::logits(draft, text);
    ASSERT_EQ(some.size(), text.size() * tokens.size());
    for (std::size_t r = 0; r < text.size(); ++r)
      for (std::size_t i = 0; i < tokens.size(); ++i)
        ASSERT_EQ(some[r * tokens.size() + i], all[r * file.model.vocabulary + tokens[i]]) << r << " " << tokens[i];
    EXPECT_LT(draft.weight_bytes(), whole.weight_bytes());
    EXPECT_LT(draft.bytes_read(), whole.bytes_read());
  }
}

/// Where the whole model chooses a token of the draft vocabulary, a model with that vocabulary chooses it, too: the
/// noise is the token's own.
TEST(Transformer, ADraftVocabularyChoosesWhatTheWholeModelChoosesFromIt) {
  const auto file = testing::make_tiny_gguf({.vocabulary = 600});
  const auto text = testing::random_text(200, file.model.vocabulary);
  const std::vector<Token> tokens = some_tokens(file.model.vocabulary);
  for (const Sampling& sampling :
       {Sampling{}, Sampling{.temperature = 30, .seed = 9}, Sampling{.repetition_penalty = 5},
        Sampling{.temperature = 30, .repetition_penalty = 1.2}}) {
    const auto whole = drawn(file, {.sampling = sampling}, text, 200);
    const ModelOptions options{.sampling = sampling, .draft_vocabulary = tokens};
    const auto draft = drawn(file, options, text, 200);
    int common = 0;
    for (std::size_t r = 0; r < text.size(); ++r) {
      EXPECT_TRUE(std::ranges::binary_search(tokens, draft[r]));
      if (!std::ranges::binary_search(tokens, whole[r])) continue;
      EXPECT_EQ(draft[r], whole[r]) << r;
      ++common;
    }
    EXPECT_GT(common, 20);
    EXPECT_EQ(drawn(file, options, text, 7), draft);
    testing::run_ranks(2, [&](comm::Group& group) { EXPECT_EQ(drawn(file, options, text, 11, 3, &group), draft); });
  }
}

TEST(Transformer, LengthFollowsPassesAndTruncates) {
  const TinyModel model{};
  Transformer transformer(testing::open(testing::make_tiny_gguf(model)), {.slots = 2});
  const auto text = testing::random_text(10, model.vocabulary);
  const Segment segment{1, 0, text, 0};
  transformer.forward({&segment, 1}, {});
  EXPECT_EQ(transformer.length(0), 0);
  EXPECT_EQ(transformer.length(1), 10);
  transformer.truncate(1, 4);
  EXPECT_EQ(transformer.length(1), 4);
}

/// A question that is answered yes `times` times.
KeepGoing yes(int times) {
  return [times]() mutable { return times-- > 0; };
}

TEST(Transformer, APassGivenUpAnywhereLeavesNoTrace) {
  const TinyModel model{.layers = 3};
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(300, model.vocabulary);
  const auto expected = [&] {
    Transformer transformer(checkpoint, {});
    return testing::logits(transformer, text);
  }();
  constexpr int questions = 2 * 6;  // in each of two chunks: twice a layer, the last time before tokens are chosen
  Transformer transformer(checkpoint, {.slots = 2});
  std::vector<Token> next(250 + 4);
  const auto forward = [&](const KeepGoing& keep_going) {
    const Position begin = transformer.length(1);
    const Segment segments[] = {{0, 0, std::span(text).first(250), 250},
                                {1, begin, std::span(text).subspan(begin, 4), 4}};
    return transformer.forward(segments, next, keep_going);
  };
  testing::logits(transformer, std::span(text).first(40), 1);
  for (int answered = 0; answered < questions; ++answered) {
    EXPECT_FALSE(forward(yes(answered)));
    EXPECT_EQ(transformer.length(0), 0);
    EXPECT_EQ(transformer.length(1), 40);
  }
  EXPECT_TRUE(forward(yes(questions)));
  EXPECT_EQ(transformer.length(0), 250);
  EXPECT_EQ(transformer.length(1), 44);
  for (const Slot slot : {0, 1}) {
    const auto end = static_cast<std::size_t>(transformer.length(slot));
    const auto rest = testing::logits(transformer, std::span(text).subspan(end), slot);
    EXPECT_TRUE(std::equal(rest.rbegin(), rest.rend(), expected.rbegin())) << "slot " << slot;
  }
}

TEST(Transformer, APassGivenUpInALongHeadLeavesNoTrace) {
  const TinyModel model{.layers = 2, .vocabulary = 10000};  // the head is 2.4 MiB
  Transformer transformer(testing::open(testing::make_tiny_gguf(model)), {.tells_probabilities = true});
  const auto text = testing::random_text(5, model.vocabulary);
  const Segment segments[] = {{0, 0, text, 2}};
  const auto forward = [&](const KeepGoing& keep_going, std::vector<Token>& next) {
    return transformer.forward(segments, next, keep_going);
  };
  std::vector<Token> next(2), expected(2);
  ASSERT_TRUE(forward({}, expected));
  transformer.truncate(0, 0);
  constexpr int questions = 4 + 2;  // twice a layer, and behind each MiB of the head
  for (int answered = 0; answered < questions; ++answered) {
    EXPECT_FALSE(forward(yes(answered), next));
    EXPECT_EQ(transformer.length(0), 0);
  }
  EXPECT_TRUE(forward(yes(questions), next));
  EXPECT_EQ(next, expected);
}

TEST(Transformer, CutToSomeLayersItEqualsTheModelThatHasOnlyThose) {
  const testing::TinyGguf whole = testing::make_tiny_gguf({.layers = 6, .type = GgmlType::q4_1});
  const auto text = testing::random_text(40, whole.model.vocabulary);
  Transformer cut(testing::open(whole), {.layers = {0, 3, 5}});
  Transformer alone(testing::open(testing::cut_layers(whole, {0, 3, 5})), {});
  EXPECT_EQ(cut.layer_count(), 3);
  EXPECT_EQ(testing::logits(cut, text), testing::logits(alone, text));
}

TEST(Transformer, LayersThatDoNotExistAreRefused) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf({.layers = 4}));
  const auto with_layers = [&](std::vector<int> layers) { Transformer(checkpoint, {.layers = std::move(layers)}); };
  EXPECT_THAT([&] { with_layers({0, 4}); }, ThrowsMessage<UserError>(HasSubstr("has 4 layers): choose from 0 to 3")));
  EXPECT_THAT([&] { with_layers({-1}); }, ThrowsMessage<UserError>(HasSubstr("layer -1 does not exist")));
  EXPECT_THAT([&] { with_layers({2, 2}); }, ThrowsMessage<UserError>(HasSubstr("not in order")));
  EXPECT_THAT([&] { with_layers({2, 1}); }, ThrowsMessage<UserError>(HasSubstr("[2, 1]")));
}

TEST(Transformer, AContextLongerThanTheModelsIsRefused) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf({.context = 100}));
  EXPECT_THAT([&] { Transformer(checkpoint, {.context = 101}); },
              ThrowsMessage<UserError>(HasSubstr("trained for 100")));
  EXPECT_EQ(Transformer(checkpoint, {}).context_length(), 100);
  EXPECT_EQ(Transformer(checkpoint, {.context = 17}).context_length(), 17);
}

TEST(Transformer, TheLastPositionOfTheContextCanBeUsedAndNoneAfterIt) {
  const TinyModel model{};
  Transformer transformer(testing::open(testing::make_tiny_gguf(model)), {.context = 21});
  const auto text = testing::random_text(22, model.vocabulary);
  EXPECT_THROW(testing::logits(transformer, text), ContractError);
  const auto all = testing::logits(transformer, std::span(text).first(21));
  EXPECT_TRUE(std::ranges::all_of(all, [](float v) { return std::isfinite(v); }));
}

TEST(Transformer, BrokenRequestsChangeNothing) {
  const TinyModel model{};
  Transformer transformer(testing::open(testing::make_tiny_gguf(model)), {.slots = 1});
  const std::vector<Token> text{1, 2, model.vocabulary};
  const auto forward = [&](Segment segment) {
    std::vector<Token> next(static_cast<std::size_t>(std::max(segment.outputs, 0)));
    transformer.forward({&segment, 1}, next);
  };
  EXPECT_THROW(forward({0, 0, text, 1}), ContractError) << "token outside the vocabulary";
  EXPECT_THROW(forward({0, 1, std::span(text).first(1), 1}), ContractError) << "a gap";
  EXPECT_THROW(forward({1, 0, std::span(text).first(1), 1}), ContractError) << "no such slot";
  EXPECT_THROW(forward({0, 0, std::span(text).first(2), 3}), ContractError) << "more outputs than rows";
  EXPECT_EQ(transformer.length(0), 0);
}

TEST(Transformer, OperationTimesAreMeasuredWhileAskedFor) {
  const TinyModel model{};
  Transformer transformer(testing::open(testing::make_tiny_gguf(model)), {});
  const auto text = testing::random_text(16, model.vocabulary);
  OperationTimes times;
  transformer.measure(&times);
  testing::logits(transformer, text);
  for (std::size_t i = 0; i < operation_names.size(); ++i) EXPECT_GT(times.seconds[i], 0) << operation_names[i];
  transformer.measure(nullptr);
  const OperationTimes before = times;
  testing::logits(transformer, text);
  EXPECT_EQ(times.seconds, before.seconds);
}

}  // namespace
}  // namespace pipespec::model
