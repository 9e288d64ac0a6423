#include "text/sentencepiece_check.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include "core/error.hpp"

namespace pipespec::text {

static_assert(std::endian::native == std::endian::little, "the trie is read as it lies in the file");

namespace {

// Fields of sentencepiece_model.proto.
constexpr std::uint64_t pieces_field = 1, normalizer_field = 3;  // of ModelProto
constexpr std::uint64_t text_field = 1, type_field = 3;          // of ModelProto.SentencePiece
constexpr std::uint64_t charsmap_field = 2;                      // of NormalizerSpec
constexpr std::uint32_t user_defined_type = 4;

/// The fields of one message in protocol buffers' wire format, front to back.
class Fields {
 public:
  struct Field {
    std::uint64_t number = 0;
    std::uint64_t value = 0;                // of a varint
    std::optional<std::string_view> bytes;  // of a text or message; none: a field of another kind
  };

  Fields(std::string_view message, const std::string& source) : rest_(message), source_(source) {}

  /// False behind the last field.
  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {tag >> 3, 0, std::nullopt};
    if (tag > UINT32_MAX || field.number == 0) fail();
    switch (tag & 7) {
      case 0:
        field.value = varint();
        return true;
      case 1:
        take(8);
        return true;
      case 2:
        field.bytes = take(varint());
        return true;
      case 5:
        take(4);
        return true;
      default:
        fail();
    }
  }

 private:
  [[noreturn]] void fail() const {
    reject("{} is no SentencePiece model (it breaks off or is damaged): get the file again", source_);
  }

  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) fail();
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  std::string_view rest_;
  const std::string& source_;
};

void check_piece(std::string_view piece, const std::string& source, std::set<std::string_view>& user_defined) {
  std::string_view text;
  bool is_user_defined = false;
  Fields::Field field;
  for (Fields fields(piece, source); fields.next(field);) {
    if (field.number == text_field) text = field.bytes.value_or(text);
    if (field.number == type_field) is_user_defined |= static_cast<std::uint32_t>(field.value) == user_defined_type;
  }
  validate(text.find('\0') == std::string_view::npos, "{} has a piece with a NUL in it: get the file again", source);
  if (is_user_defined) user_defined.insert(text);
}

/// The library finds all the user-defined pieces that begin a text at once and has room for 64.
void check_user_defined(const std::set<std::string_view>& sorted, const std::string& source) {
  constexpr std::size_t room = 64;
  std::vector<std::string_view> nested;  // each begins with the one before
  for (const std::string_view text : sorted) {
    while (!nested.empty() && !text.starts_with(nested.back())) nested.pop_back();
    nested.push_back(text);
    validate(nested.size() <= room,
             "{} has more than {} user-defined pieces that begin with one another (not supported): use another model",
             source, room);
  }
}

/// A unit of the double-array trie (https://github.com/s-yata/darts-clone, darts.h).
struct Unit {
  std::uint32_t bits;

  bool is_node() const { return bits >> 31 == 0; }  // else a value
  std::uint32_t value() const { return bits & 0x7fffffffU; }
  std::uint32_t label() const { return bits & 0xffU; }
  bool has_leaf() const { return (bits >> 8 & 1U) != 0; }
  std::uint32_t offset() const { return bits >> 10 << (bits >> 6 & 8U); }
};

/// Where the search stands from `place` on: the place of its child of the label c is this, exclusive or c.
std::uint32_t children_of(std::size_t place, Unit unit) {
  return static_cast<std::uint32_t>(place) ^ unit.offset();
}

/// Whether every search in the trie stays inside it and finds texts, each ended by a NUL, inside `texts`.
bool stays_inside(const std::vector<Unit>& trie, std::string_view texts) {
  for (std::size_t place = 0; place < trie.size(); ++place) {
    if (!trie[place].is_node() && place != 0) continue;
    const std::uint32_t children = children_of(place, trie[place]);
    if (children >= trie.size()) return false;
    if (trie[place].has_leaf() && trie[children].value() >= texts.size()) return false;
  }
  return texts.ends_with('\0');
}

/// Whether every search in the trie ends after as many steps as the library has room for what it finds on its way.
bool ends_in_time(const std::vector<Unit>& trie) {
  constexpr int room = 32;
  std::vector<bool> reached(trie.size());
  reached[children_of(0, trie[0])] = true;
  for (int step = 0; step <= room; ++step) {
    std::vector<bool> further(trie.size());
    bool is_further = false;
    for (std::size_t place = 1; place < trie.size(); ++place) {
      if (!trie[place].is_node() || !reached[place ^ trie[place].label()]) continue;
      further[children_of(place, trie[place])] = is_further = true;
    }
    if (!is_further) return true;
    reached = std::move(further);
  }
  return false;
}

/// The rules are: bytes of the trie (4), the trie in blocks of 256 units, texts.
void check_charsmap(std::string_view rules, const std::string& source) {
  if (rules.empty()) return;  // none
  constexpr std::size_t block_bytes = 256 * sizeof(Unit);
  std::uint32_t trie_bytes = 0;
  bool is_sound = rules.size() > sizeof trie_bytes;
  if (is_sound) {
    std::memcpy(&trie_bytes, rules.data(), sizeof trie_bytes);
    rules.remove_prefix(sizeof trie_bytes);
    is_sound = trie_bytes > 0 && trie_bytes % block_bytes == 0 && trie_bytes < rules.size();
  }
  if (is_sound) {
    std::vector<Unit> trie(trie_bytes / sizeof(Unit));
    std::memcpy(trie.data(), rules.data(), trie_bytes);
    is_sound = stays_inside(trie, rules.substr(trie_bytes)) && ends_in_time(trie);
  }
  validate(is_sound, "{} has damaged normalisation rules (precompiled_charsmap): get the file again", source);
}

}  // namespace

void check_sentencepiece_model(std::string_view model, const std::string& source) {
  std::set<std::string_view> user_defined;
  Fields::Field field, inner;
  for (Fields fields(model, source); fields.next(field);) {
    if (!field.bytes) continue;  // the library passes over fields of a kind it does not expect
    if (field.number == pieces_field) check_piece(*field.bytes, source, user_defined);
    if (field.number != normalizer_field) continue;
    for (Fields normalizer(*field.bytes, source); normalizer.next(inner);)
      if (inner.number == charsmap_field) check_charsmap(inner.bytes.value_or(""), source);
  }
  check_user_defined(user_defined, source);
}

}  // namespace pipespec::text
