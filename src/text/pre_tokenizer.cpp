#include "text/pre_tokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace pipespec::text {
namespace {

// Rust's and Oniguruma's \s is the Unicode property White_Space; PCRE2's \s adds U+180E, so it is spelt out.
constexpr std::string_view gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+)"
                                          R"(|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

constexpr std::array<std::string_view, 2> smollm_patterns = {R"(\p{N})", gpt2_pattern};

struct NamedPatterns {
  std::string_view name;
  std::span<const std::string_view> patterns;
};

constexpr std::array named_patterns = {NamedPatterns{"smollm", smollm_patterns}};

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
  explicit Pattern(std::string_view expression) {
    int error = 0;
    PCRE2_SIZE place = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(), PCRE2_UTF | PCRE2_UCP,
                              &error, &place, nullptr));
    validate(code_ != nullptr,
             "the tokenizer's pattern {} is no regular expression ({} at offset {}): get the model again", expression,
             message_of(error), place);
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

PreTokenizer::PreTokenizer(std::span<const std::string_view> patterns) {
  for (const std::string_view pattern : patterns) patterns_.emplace_back(pattern);
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

std::span<const std::string_view> gguf_pre_tokenizer_patterns(std::string_view name, std::string_view source) {
  const auto found = std::ranges::find(named_patterns, name, &NamedPatterns::name);
  if (found != named_patterns.end()) return found->patterns;
  std::string known;
  for (const auto& each : named_patterns) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
  reject("{}: the pre-tokenizer {} is not supported (known: {}): use a model of another family", source, name, known);
}

}  // namespace pipespec::text
