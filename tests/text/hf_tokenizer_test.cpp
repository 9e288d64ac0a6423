/// Tokenizers in folders, against the libraries they were made with (data/README.md).
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/json_lines.hpp"
#include "support/gguf_writer.hpp"
#include "support/scratch_directory.hpp"
#include "text/chat_template.hpp"
#include "text/sentencepiece_tokenizer.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::text {
namespace {

using pipespec::testing::ScratchDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

const std::filesystem::path data = PIPESPEC_SOURCE_DIR "/tests/text/data";

class Cases : public ::testing::TestWithParam<const char*> {};

TEST_P(Cases, AreAllEqualIdsAndText) {
  const auto tokenizer = load_tokenizer(data / GetParam());
  io::JsonLines cases(data / GetParam() / "cases.jsonl");
  int count = 0;
  for (; const auto line = cases.next(); ++count) {
    const auto text = line->value["text"].get<std::string>();
    const auto ids = line->value["ids"].get<std::vector<Token>>();
    EXPECT_EQ(tokenizer->encode(text), ids) << line->where;
    EXPECT_EQ(tokenizer->decode(ids), line->value["decoded"].get<std::string>()) << line->where;
  }
  EXPECT_GT(count, 50);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Cases, ::testing::Values("llama2_style", "llama3_style"));

TEST(HfTokenizer, ATextInsideAChatNeverBecomesASpecialToken) {
  const auto tokenizer = load_tokenizer(data / "llama3_style");
  const Token end = *tokenizer->special_token("<|eot_id|>");
  EXPECT_THAT(tokenizer->encode("a<|eot_id|>"), ::testing::Contains(end));
  EXPECT_THAT(tokenizer->encode_plain("a<|eot_id|>"), Not(::testing::Contains(end)));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode_plain("a<|eot_id|>")), "a<|eot_id|>");
}

TEST(HfTokenizer, EndTokensComeFromTheFilesBesideIt) {
  EXPECT_THAT(load_tokenizer(data / "llama3_style")->end_tokens(), ElementsAre(3004)) << "tokenizer_config.json";
  const ScratchDirectory folder;
  std::filesystem::copy(data / "llama3_style", folder.path(), std::filesystem::copy_options::recursive);
  folder.write("config.json", R"({"eos_token_id": 3001})");
  EXPECT_THAT(load_tokenizer(folder.path())->end_tokens(), ElementsAre(3001));
  folder.write("generation_config.json", R"({"eos_token_id": [3004, 3001]})");
  EXPECT_THAT(load_tokenizer(folder.path())->end_tokens(), ElementsAre(3001, 3004));
  folder.write("generation_config.json", R"({"eos_token_id": 4000})");
  EXPECT_THAT(load_tokenizer(folder.path())->end_tokens(), ElementsAre(4000)) << "a model's own";
}

TEST(HfTokenizer, OfTwoFilesTheOneWithTheAddedTokensCounts) {
  const ScratchDirectory folder;
  std::filesystem::copy(data / "llama2_style/tokenizer.model", folder.path());
  const auto plain = load_tokenizer(folder.path());
  EXPECT_GT(plain->encode("</s>").size(), 1u) << "text, to SentencePiece";
  auto json = io::read_json_file(data / "forms/characters.json");
  json["added_tokens"].push_back({{"id", 2000}, {"content", "<pad>"}, {"special", true}});
  folder.write("tokenizer.json", json.dump());
  const auto both = load_tokenizer(folder.path());
  EXPECT_THAT(both->encode("</s>"), ElementsAre(*both->special_token("</s>")));
  EXPECT_THAT(both->encode("<pad>"), ElementsAre(2000));
  json["model"] = {{"type", "Unigram"}, {"vocab", nlohmann::json::array()}};
  folder.write("tokenizer.json", json.dump());
  EXPECT_EQ(load_tokenizer(folder.path())->vocabulary_size(), 2000) << "which tokenizer.model is good for";
}

TEST(HfTokenizer, TokensAddedToATokenizerModelAloneAreRefused) {
  const ScratchDirectory folder;
  std::filesystem::copy(data / "llama2_style/tokenizer.model", folder.path());
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"2": {"content": "</s>"}}})");
  EXPECT_EQ(load_tokenizer(folder.path())->vocabulary_size(), 2000) << "a token that it has";
  const auto refusal = [](const char* file) {
    return ThrowsMessage<UserError>(AllOf(HasSubstr(file), HasSubstr("\"<|im_end|>\""), HasSubstr("tokenizer.json")));
  };
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"2000": {"content": "<|im_end|>"}}})");
  EXPECT_THAT([&] { load_tokenizer(folder.path()); }, refusal("tokenizer_config.json"));
  folder.write("tokenizer_config.json", "{}");
  folder.write("added_tokens.json", R"({"<|im_end|>": 2000})");
  EXPECT_THAT([&] { load_tokenizer(folder.path()); }, refusal("added_tokens.json"));
}

TEST(HfTokenizer, AnAddedTokenIsSpeltLikeTheOthers) {
  const ScratchDirectory folder;
  auto json = io::read_json_file(data / "forms/characters.json");
  json["added_tokens"].push_back({{"id", 2000}, {"content", "\u2581<PRE>"}, {"special", true}});
  folder.write("tokenizer.json", json.dump());
  const Token tokens[] = {2000, 2000};
  EXPECT_EQ(load_tokenizer(folder.path())->decode(tokens), "<PRE> <PRE>") << "as CodeLlama's";
}

TEST(HfTokenizer, TheChatFormFollowsFromTheTemplate) {
  const ScratchDirectory folder;
  std::filesystem::copy(data / "llama3_style", folder.path(), std::filesystem::copy_options::recursive);
  folder.write("chat_template.jinja", "{{ '<|start_header_id|>' + message['role'] }}");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(chat_format_of(*tokenizer), ChatFormat::llama3);
  const Message messages[] = {{"user", " hi<|eot_id|> "}};
  EXPECT_EQ(tokenizer->decode(encode_chat(ChatFormat::llama3, messages, *tokenizer)),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(HfTokenizer, Llama2sChatIsOneTextAQuestionAndItsAnswer) {
  const auto tokenizer = load_tokenizer(data / "llama2_style");
  const Message messages[] = {{"system", "S"}, {"user", "a"}, {"assistant", "b"}, {"user", "c"}};
  const auto ids = encode_chat(ChatFormat::llama2, messages, *tokenizer);
  std::vector<Token> expected = {*tokenizer->special_token("<s>")};
  const auto append = [&](const std::vector<Token>& more) {
    expected.insert(expected.end(), more.begin(), more.end());
  };
  append(tokenizer->encode("[INST] <<SYS>>\nS\n<</SYS>>\n\na [/INST] b "));
  append({*tokenizer->special_token("</s>"), *tokenizer->special_token("<s>")});
  append(tokenizer->encode("[INST] c [/INST]"));
  EXPECT_EQ(ids, expected);
}

TEST(HfTokenizer, AVocabularyOfListsIsTheSameModel) {
  const auto original = load_tokenizer(data / "llama2_style");
  std::vector<SentencePiece> pieces;
  for (Token token = 0; token < original->vocabulary_size(); ++token) {
    const std::string_view text = original->token_text(token);
    const bool is_byte = text.size() == 6 && text.starts_with("<0x");
    // The scores of a BPE model are minus its ranks, in the order of the ids.
    pieces.push_back({text, static_cast<float>(-token),
                      token == 0                    ? 2
                      : original->is_special(token) ? 3
                      : is_byte                     ? 6
                                                    : 1});
  }
  const std::string model = serialize_sentencepiece_model(pieces, true);
  const SentencePieceTokenizer copy({"lists", model, {2}, ""});
  io::JsonLines cases(data / "llama2_style/cases.jsonl");
  while (const auto line = cases.next())
    EXPECT_EQ(copy.encode(line->value["text"].get<std::string>()), line->value["ids"].get<std::vector<Token>>())
        << line->where;
}

TEST(HfTokenizer, NormalisesWhereTheFileAsksForIt) {
  const ScratchDirectory folder;
  auto json = io::read_json_file(data / "llama3_style/tokenizer.json");
  const std::string decomposed = "e\u0301", composed = "\u00e9";
  folder.write("tokenizer.json", json.dump());
  EXPECT_NE(load_tokenizer(folder.path())->encode(decomposed), load_tokenizer(folder.path())->encode(composed));
  json["normalizer"] = {{"type", "NFC"}};
  folder.write("tokenizer.json", json.dump());
  EXPECT_EQ(load_tokenizer(folder.path())->encode(decomposed), load_tokenizer(folder.path())->encode(composed));
}

void set_pattern(nlohmann::json& tokenizer, const std::string& pattern) {
  tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern;
}

struct Fault {
  const char* name;
  std::function<void(nlohmann::json&)> damage;
  const char* message;
};

class BrokenTokenizerJson : public ::testing::TestWithParam<Fault> {};

TEST_P(BrokenTokenizerJson, IsRefusedByName) {
  const ScratchDirectory folder;
  auto json = io::read_json_file(data / "llama3_style/tokenizer.json");
  GetParam().damage(json);
  folder.write("tokenizer.json", json.dump());
  EXPECT_THAT([&] { load_tokenizer(folder.path()); },
              ThrowsMessage<UserError>(
                  ::testing::AllOf(HasSubstr("tokenizer.json"), HasSubstr(GetParam().message), Not(HasSubstr("\n")))));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, BrokenTokenizerJson,
    ::testing::Values(
        Fault{"Vocabulary", [](auto& j) { j["model"].erase("vocab"); }, "no vocabulary"},
        Fault{"NegativeId", [](auto& j) { j["model"]["vocab"]["a"] = -1; }, "the id of the token \"a\" is -1"},
        Fault{"HugeId", [](auto& j) { j["model"]["vocab"]["a"] = 16000000; }, "has the id 16000000"},
        Fault{"IdsWithGaps",
              [](auto& j) {
                for (int i = 1; i <= 3; ++i) j["model"]["vocab"]["gap " + std::to_string(i)] = 3000 + i * 30000;
              },
              "ids before it have no token"},
        Fault{"TwiceTheSameId", [](auto& j) { j["model"]["vocab"]["a"] = 5; }, "two tokens have the id"},
        Fault{"Merge", [](auto& j) { j["model"]["merges"][0] = 7; }, "7 is no merge"},
        Fault{"UnknownMerge", [](auto& j) { j["model"]["merges"][0] = "a xyzzy"; }, "not made of tokens"},
        Fault{"Normalizer",
              [](auto& j) {
                j["normalizer"] = {{"type", "Lowercase"}};
              },
              "normalizer Lowercase"},
        Fault{"Dropout", [](auto& j) { j["model"]["dropout"] = 0.5; }, "model.dropout"},
        Fault{"PreTokenizer", [](auto& j) { j["pre_tokenizer"]["pretokenizers"][0]["type"] = "Whitespace"; },
              "Whitespace"},
        Fault{"SuffixOfTwoLines", [](auto& j) { j["model"]["end_of_word_suffix"] = "\n"; }, "(\"\\x0a\")"},
        Fault{"PatternOfTwoLines", [](auto& j) { set_pattern(j, "(\n"); },
              "the pattern (\\x0a is no regular expression"},
        Fault{"PatternOfSingleBytes", [](auto& j) { set_pattern(j, R"(\C)"); },
              "the pattern \\C is no regular expression"},
        Fault{"PatternNestedTooDeep", [](auto& j) { set_pattern(j, std::string(100'000, '(')); },
              "is no regular expression"},
        Fault{"Replace",
              [](auto& j) {
                j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "a+"}}}, {"content", "b"}};
              },
              "a Replace that is not of a String"},
        Fault{"SpaceBehindASplit", [](auto& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
              "add_prefix_space after a split"},
        Fault{"InvertedSplit", [](auto& j) { j["pre_tokenizer"]["pretokenizers"][0]["invert"] = true; },
              "Isolated and not inverted"},
        Fault{"Decoder",
              [](auto& j) {
                j["decoder"] = {{"type", "WordPiece"}};
              },
              "the decoder WordPiece"},
        Fault{"Kind",
              [](auto& j) {
                j["model"] = {{"type", "Unigram"}};
              },
              "is no BPE"}),
    [](const auto& test) { return test.param.name; });

TEST(HfTokenizer, AFolderWithoutOneIsRefused) {
  const ScratchDirectory folder;
  EXPECT_THAT([&] { load_tokenizer(folder.path()); },
              ThrowsMessage<UserError>(HasSubstr("neither tokenizer.json nor tokenizer.model")));
  folder.write("tokenizer.model", "no model");
  EXPECT_THAT([&] { load_tokenizer(folder.path()); }, ThrowsMessage<UserError>(HasSubstr("no SentencePiece model")));
}

}  // namespace
}  // namespace pipespec::text
