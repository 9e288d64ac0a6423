#include "text/special_tokens.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace pipespec::text {

void SpecialTokens::add(std::string text, Token token, TokenKind kind) {
  expect(!text.empty() && kind != TokenKind::normal, "a special token is written out");
  auto& entries = by_first_[text.front()];
  const auto shorter = [&](const Entry& entry) { return entry.text.size() < text.size(); };
  const auto place = std::ranges::find_if(entries, shorter);
  entries.insert(place, Entry{std::move(text), token, kind});
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
  std::size_t begin = 0;  // of the stretch without tokens
  for (std::size_t place = 0; place < text.size();) {
    const Entry* entry = match(text.substr(place), which);
    if (entry == nullptr) {
      ++place;
      continue;
    }
    if (begin < place) parts.push_back({text.substr(begin, place - begin), std::nullopt});
    parts.push_back({text.substr(place, entry->text.size()), entry->token});
    begin = place += entry->text.size();
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), std::nullopt});
  return parts;
}

}  // namespace pipespec::text
