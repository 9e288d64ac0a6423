#include "text/pre_tokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "io/printable.hpp"

namespace pipespec::text {
namespace {

// Rust's and Oniguruma's \s is the Unicode property White_Space; PCRE2's \s adds U+180E, so it is spelt out.
constexpr std::string_view gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+)"
                                  R"(|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

/// LLaMA 3's and Qwen2's, which differ in how many digits go together.
std::string llama3(std::string_view digits) {
  return fmt::format(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\p{{White_Space}}\p{{L}}\p{{N}}]+[\r\n]*)"
      R"(|\p{{White_Space}}*[\r\n]+|\p{{White_Space}}+(?!\P{{White_Space}})|\p{{White_Space}}+)",
      digits);
}

/// llama.cpp's for files that name none: punctuation, then GPT-2's, then digits by threes.
std::vector<std::string> default_patterns() {
  return {R"([\p{P}$+<=>^~|]+)", std::string(gpt2), R"(\p{N}+)", "[0-9][0-9][0-9]"};
}

const std::vector<NamedPreTokenizer>& known_pre_tokenizers() {
  const auto llama = [](std::string_view name) { return NamedPreTokenizer{name, {llama3(R"(\p{N}{1,3})")}, true}; };
  const auto qwen = [](std::string_view name) { return NamedPreTokenizer{name, {llama3(R"(\p{N})")}, false}; };
  static const std::vector<NamedPreTokenizer> known = {{"smollm", {R"(\p{N})", std::string(gpt2)}, false},
                                                       {"gpt-2", {std::string(gpt2)}, false},
                                                       llama("llama-bpe"),
                                                       llama("llama3"),
                                                       llama("llama-v3"),
                                                       qwen("qwen2"),
                                                       qwen("deepseek-r1-qwen"),
                                                       {"default", default_patterns(), false}};
  return known;
}

struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using MatchData = std::unique_ptr<pcre2_match_data, MatchDataFree>;

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

/// One compiled expression.
class PreTokenizer::Pattern {
 public:
  Pattern(std::string_view expression, std::string_view source) {
    int error = 0;
    PCRE2_SIZE place = 0;
    // Without \C, which splits characters, every piece of a text is UTF-8 again.
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &place, nullptr));
    validate(code_ != nullptr, "{}: the pattern {} is no regular expression ({} at offset {}): get the file again",
             source, io::printable(expression), message_of(error), place);
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where it cannot, the interpreter matches the same
  }

  /// Appends the matches in `text` and the gaps between them to `pieces`.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const {
    const MatchData match(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const auto add = [&](std::size_t begin, std::size_t end) {
      if (begin < end) pieces.push_back(text.substr(begin, end - begin));
    };
    std::size_t done = 0;
    while (done < text.size()) {
      const int result = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), done,
                                     PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match.get(), nullptr);
      if (result == PCRE2_ERROR_NOMATCH) break;
      validate(result >= 0, "the text cannot be split into words ({}): shorten it", message_of(result));
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
      validate(done <= range[0] && range[0] < range[1],  // a \K in a group that a lookaround calls can move both
               "the text cannot be split into words (the tokenizer's pattern matches backwards): get the model again");
      add(done, range[0]);
      add(range[0], range[1]);
      done = range[1];
    }
    add(done, text.size());
  }

 private:
  struct CodeFree {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, CodeFree> code_;
};

PreTokenizer::PreTokenizer(const std::vector<std::string>& patterns, std::string_view source) {
  for (const std::string& pattern : patterns) patterns_.emplace_back(pattern, source);
}

PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces = {text};
  for (const Pattern& pattern : patterns_) {
    std::vector<std::string_view> finer;
    for (const std::string_view piece : pieces) pattern.split(piece, finer);
    pieces = std::move(finer);
  }
  return pieces;
}

const NamedPreTokenizer& gguf_pre_tokenizer(std::string_view name, std::string_view source) {
  const auto& all = known_pre_tokenizers();
  const auto found = std::ranges::find(all, name, &NamedPreTokenizer::name);
  if (found != all.end()) return *found;
  std::string known;
  for (const auto& each : all) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
  reject("{}: the pre-tokenizer {} is not supported (known: {}): use a model of another family", source,
         io::printable(name), known);
}

std::string_view gpt2_pattern() {
  return gpt2;
}

namespace {

/// What PCRE2 reads otherwise.
struct Spelling {
  std::string_view of;      // in Oniguruma
  std::string_view inside;  // in a class; empty: not supported there
  std::string_view outside;
};

constexpr Spelling spellings[] = {
    {R"(\s)", R"(\p{White_Space})", R"(\p{White_Space})"},
    {R"(\S)", R"(\P{White_Space})", R"(\P{White_Space})"},
    {R"(\w)", R"(\p{L}\p{M}\p{N}\p{Pc})", R"([\p{L}\p{M}\p{N}\p{Pc}])"},
    {R"(\W)", "", R"([^\p{L}\p{M}\p{N}\p{Pc}])"},
    {R"(\h)", "0-9a-fA-F", "[0-9a-fA-F]"},
    {R"(\H)", "", "[^0-9a-fA-F]"},
    {R"(\b)", "", ""},
    {R"(\B)", "", ""},
    {R"(\v)", R"(\x0B)", R"(\x0B)"},
    {R"(\Q)", "", ""},
    {R"(\E)", "", ""},
    {"[]", "", ""},
    {"[^]", "", ""},
    {"[", "", "["},
    {"&&", "", "&&"},
    {"}+", "}+", ""},  // a count and a plus, but for the names of properties
    {"(?m", "(?m", ""},
    {"^", "^", "(?m:^)"},
    {"$", "$", "(?m:$)"},
};

/// Takes a property off the front, "\p{L}". What is no category is a script, which PCRE2 reads as Script_Extensions
/// unless it is told.
std::string take_property(std::string_view& pattern) {
  const std::size_t end = std::min(pattern.find('}'), pattern.size() - 1) + 1;
  std::string property(pattern.substr(0, end));
  pattern.remove_prefix(end);
  constexpr std::size_t name = 3, longest_category = 6;  // of \p{Lu} as a whole
  const bool is_script = end > longest_category && property[name] != '^' && property != R"(\p{White_Space})";
  return is_script ? property.insert(name, "sc:") : property;
}

}  // namespace

std::string pcre_of_oniguruma(std::string_view pattern, std::string_view source) {
  std::string out;
  bool is_in_class = false;
  while (!pattern.empty()) {
    if (pattern.starts_with("\\p{") || pattern.starts_with("\\P{")) {
      out += take_property(pattern);
      continue;
    }
    const auto spelling =
        std::ranges::find_if(spellings, [&](const Spelling& each) { return pattern.starts_with(each.of); });
    if (spelling != std::end(spellings)) {
      const std::string_view written = is_in_class ? spelling->inside : spelling->outside;
      validate(!written.empty(), "{}: a Split with {} in its pattern is not supported: use a model of another family",
               source, spelling->of);
      out += written;
      is_in_class |= spelling->of == "[";
      pattern.remove_prefix(spelling->of.size());
      continue;
    }
    if (pattern.front() == ']') is_in_class = false;
    const std::size_t length = std::min<std::size_t>(pattern.front() == '\\' ? 2 : 1, pattern.size());
    out += pattern.substr(0, length);
    pattern.remove_prefix(length);
  }
  return out;
}

}  // namespace pipespec::text
