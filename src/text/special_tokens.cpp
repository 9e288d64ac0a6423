#include "text/special_tokens.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "text/unicode.hpp"

namespace pipespec::text {

void SpecialTokens::add(std::string text, Token token, TokenKind kind, TokenMatch match) {
  expect(!text.empty() && kind != TokenKind::normal, "a special token is written out");
  auto& entries = by_first_[text.front()];
  const auto shorter = [&](const Entry& entry) { return entry.text.size() < text.size(); };
  const auto place = std::ranges::find_if(entries, shorter);
  entries.insert(place, Entry{std::move(text), token, kind, match});
}

std::optional<Token> SpecialTokens::find(std::string_view text) const {
  const Entry* found = text.empty() ? nullptr : match(text, Recognise::all);
  if (found == nullptr || found->text != text || found->kind != TokenKind::control) return std::nullopt;
  return found->token;
}

const SpecialTokens::Entry* SpecialTokens::match(std::string_view text, Recognise which) const {
  const auto entries = by_first_.find(text.front());
  if (entries == by_first_.end()) return nullptr;
  const auto fits = [&](const Entry& entry) {
    return text.starts_with(entry.text) && (which == Recognise::all || entry.kind == TokenKind::user_defined);
  };
  const auto found = std::ranges::find_if(entries->second, fits);
  return found == entries->second.end() ? nullptr : &*found;
}

std::vector<SpecialTokens::Part> SpecialTokens::split(std::string_view text, Recognise which) const {
  std::vector<Part> parts;
  std::size_t done = 0;  // bytes that are in a part
  for (std::size_t place = 0; place < text.size();) {
    const Entry* entry = match(text.substr(place), which);
    if (entry == nullptr) {
      ++place;
      continue;
    }
    std::size_t begin = place, end = place + entry->text.size();
    place = end;
    const bool is_inside = ends_with_word(text.substr(0, begin)) || begins_with_word(text.substr(end));
    if (entry->match.whole_word && is_inside) continue;
    if (entry->match.takes_space_before) begin = done + without_space_behind(text.substr(done, begin - done)).size();
    if (entry->match.takes_space_behind) place = end = text.size() - without_space_before(text.substr(end)).size();
    if (done < begin) parts.push_back({text.substr(done, begin - done), std::nullopt});
    parts.push_back({text.substr(begin, end - begin), entry->token});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
  return parts;
}

}  // namespace pipespec::text
