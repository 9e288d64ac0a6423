#include "text/normalize.hpp"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "core/error.hpp"

namespace pipespec::text {

namespace {

/// A text longer than that many times itself is no text of a model's any more: the steps of a damaged file can double
/// it over and over.
constexpr std::size_t most_growth = 64;

std::string normal_form(std::string_view text, unsigned options) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &mapped, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, std::free);
  validate(length >= 0, "the text cannot be normalised ({}): check its encoding", utf8proc_errmsg(length));
  return {reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length)};
}

/// `most`: bytes of the result, beyond which it is refused.
std::string with_replaced(std::string_view text, std::string_view pattern, std::string_view content, std::size_t most) {
  std::string result;
  for (std::size_t place = 0; place < text.size();) {
    const std::size_t found = std::min(text.find(pattern, place), text.size());
    result += text.substr(place, found - place);
    if (found < text.size()) result += content;
    validate(result.size() <= most,
             "the text cannot be normalised (what replaces its parts makes it {} times as long): get the model again",
             most_growth);
    place = found + pattern.size();
  }
  return result;
}

std::string apply(const Rewriting& step, std::string text, bool is_first, std::size_t most) {
  switch (step.kind) {
    case Rewriting::Kind::nfc:
      return normal_form(text, UTF8PROC_COMPOSE);
    case Rewriting::Kind::nfd:
      return normal_form(text, UTF8PROC_DECOMPOSE);
    case Rewriting::Kind::nfkc:
      return normal_form(text, UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case Rewriting::Kind::nfkd:
      return normal_form(text, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
    case Rewriting::Kind::replace:
      return with_replaced(text, step.pattern, step.content, most);
    case Rewriting::Kind::prepend:
      return step.content + text;
    case Rewriting::Kind::begin: {
      const bool is_due = (is_first || !step.first_only) && !text.starts_with(step.content);
      return is_due ? step.content + text : text;
    }
  }
  throw ContractError("unknown rewriting");
}

}  // namespace

std::string rewrite(std::string_view stretch, const std::vector<Rewriting>& steps, bool is_first) {
  std::string text(stretch);
  for (const Rewriting& step : steps)
    if (!text.empty()) text = apply(step, std::move(text), is_first, most_growth * stretch.size());
  return text;
}

}  // namespace pipespec::text
