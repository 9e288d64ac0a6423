#include "text/sentencepiece_check.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "core/error.hpp"
#include "text/sentencepiece_tokenizer.hpp"

namespace pipespec::text {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

constexpr int normal = 1, user_defined = 4;

std::vector<SentencePiece> letters() {
  return {{"<unk>", 0, 2}, {"a", -1, normal}, {"b", -2, normal}};
}

/// A field that holds bytes, in protocol buffers' wire format.
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (std::size_t rest = bytes.size(); (out += static_cast<char>(rest >= 0x80 ? rest | 0x80 : rest), rest >= 0x80);)
    rest >>= 7;
  return out + bytes;
}

constexpr std::uint32_t value_unit = 1U << 31, leaf = 1U << 8;
constexpr std::uint32_t offset(std::uint32_t places) {
  return places << 10;
}

/// Normalisation rules: a trie in Darts' form that replaces "A" by "a".
struct Rules {
  std::vector<std::uint32_t> trie = std::vector<std::uint32_t>(256, value_unit);
  std::string texts = std::string("a\0", 2);

  Rules() {
    trie[0] = offset(1);                             // the children of the root are at 1 ^ label
    trie[1 ^ 'A'] = 'A' | leaf | offset(0x40 ^ 16);  // it stands at 0x40: its value is at 16
    trie[16] = value_unit | 0;                       // place in texts
  }

  /// A model of character pieces with these rules.
  std::string model() const {
    std::string rules(4 + 4 * trie.size(), '\0');
    const auto bytes = static_cast<std::uint32_t>(4 * trie.size());
    std::memcpy(rules.data(), &bytes, 4);
    std::memcpy(rules.data() + 4, trie.data(), bytes);
    const std::string characters = "\x18\x04", no_fallback = std::string("\x98\x02\x00", 3);  // of TrainerSpec
    return serialize_sentencepiece_model(letters(), false) + field(2, characters + no_fallback) +
           field(3, field(2, rules + texts));
  }
};

void check(const std::string& model) {
  check_sentencepiece_model(model, "tokenizer.model");
}

TEST(SentencePieceCheck, SoundNormalisationRulesAreAcceptedAndFollowed) {
  const std::string model = Rules().model();
  EXPECT_NO_THROW(check(model));
  const SentencePieceTokenizer tokenizer({"tokenizer.model", model, {}, ""});
  EXPECT_EQ(tokenizer.encode("Ab"), tokenizer.encode("ab"));
}

struct Fault {
  const char* name;
  std::function<void(Rules&)> damage;
};

class BrokenRules : public ::testing::TestWithParam<Fault> {};

TEST_P(BrokenRules, AreRefusedInOneLine) {
  Rules rules;
  GetParam().damage(rules);
  EXPECT_THAT([&] { check(rules.model()); },
              ThrowsMessage<UserError>(
                  AllOf(HasSubstr("tokenizer.model has damaged normalisation rules"), Not(HasSubstr("\n")))));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BrokenRules,
    ::testing::Values(Fault{"RootPointsBeyondTheTrie", [](auto& r) { r.trie[0] = offset(256); }},
                      Fault{"NodePointsBeyondTheTrie", [](auto& r) { r.trie[1 ^ 'A'] = 'A' | offset(256); }},
                      Fault{"NodePointsFarBeyondTheTrie",
                            [](auto& r) { r.trie[1 ^ 'A'] = 'A' | 1U << 9 | offset(0x1fffff); }},
                      Fault{"ValueBeyondTheTexts", [](auto& r) { r.trie[16] = value_unit | 2; }},
                      Fault{"Circle", [](auto& r) { r.trie[1 ^ 'A'] = 'A' | offset(0x40 ^ 1); }},
                      Fault{"PartOfABlock", [](auto& r) { r.trie.resize(255); }},
                      Fault{"NoTrie", [](auto& r) { r.trie.clear(); }}, Fault{"NoTexts", [](auto& r) { r.texts = ""; }},
                      Fault{"TextWithoutEnd", [](auto& r) { r.texts = "aa"; }}),
    [](const auto& test) { return test.param.name; });

TEST(SentencePieceCheck, APieceWithANulIsRefused) {
  auto pieces = letters();
  pieces.push_back({std::string_view("b\0b", 3), 0, normal});
  EXPECT_THAT([&] { check(serialize_sentencepiece_model(pieces, true)); },
              ThrowsMessage<UserError>(HasSubstr("tokenizer.model has a piece with a NUL")));
}

TEST(SentencePieceCheck, AFieldOfAnotherKindDoesNotHideThePiecesText) {
  const std::string text = field(1, std::string(1, '\0')), number_in_place_of_text = "\x08\x03";
  EXPECT_THAT([&] { check(field(1, text + number_in_place_of_text)); },
              ThrowsMessage<UserError>(HasSubstr("a piece with a NUL")));
}

TEST(SentencePieceCheck, SixtyFourUserDefinedPiecesMayBeginWithOneAnotherButNoMore) {
  const std::string longest(65, 'x');
  auto pieces = letters();
  pieces.push_back({"y", 0, user_defined});  // begins with none of the others
  for (std::size_t length = 1; length <= 64; ++length)
    pieces.push_back({std::string_view(longest).substr(0, length), 0, user_defined});
  EXPECT_NO_THROW(check(serialize_sentencepiece_model(pieces, true)));
  pieces.push_back({longest, 0, user_defined});
  EXPECT_THAT([&] { check(serialize_sentencepiece_model(pieces, true)); },
              ThrowsMessage<UserError>(HasSubstr("more than 64 user-defined pieces")));
}

TEST(SentencePieceCheck, AModelThatBreaksOffIsRefused) {
  const std::string whole = serialize_sentencepiece_model(letters(), true);
  const auto is_refused = [&](std::size_t size) {
    try {
      check(whole.substr(0, size));
      return false;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("tokenizer.model is no SentencePiece model"));
      return true;
    }
  };
  int ends = 0;  // of whole fields
  for (std::size_t size = 1; size <= whole.size(); ++size) ends += is_refused(size) ? 0 : 1;
  EXPECT_EQ(ends, 5) << "three pieces, trainer_spec and normalizer_spec";
}

TEST(SentencePieceCheck, LengthsBeyondTheFileAreRefused) {
  for (const std::string& bytes : {std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), std::string(20, '\xff'),
                                   std::string("\x0b"), std::string("\x02\x00", 2)})
    EXPECT_THROW(check(bytes), UserError);
}

}  // namespace
}  // namespace pipespec::text
