#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "app/format_names.hpp"
#include "app/placement.hpp"
#include "core/error.hpp"
#include "io/hdf5.hpp"
#include "model/transformer.hpp"

namespace pipespec::app {

namespace {

std::vector<Token> read_ids(const std::string& path, int vocabulary) {
  std::ifstream file(path);
  validate(file.is_open(), "{}: cannot be read: check the path given to --ids", path);
  std::vector<Token> ids;
  try {
    ids = nlohmann::json::parse(file).get<std::vector<Token>>();
  } catch (const nlohmann::json::exception&) {
    reject("{}: not a JSON list of token ids: [1, 2, 3]", path);
  }
  validate(!ids.empty(), "{}: the list is empty: give at least one token id", path);
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](Token id) { return id < 0 || id >= vocabulary; });
  validate(bad == ids.end(), "{}: token {} at index {} is outside the vocabulary (0 to {})", path,
           bad == ids.end() ? 0 : *bad, bad - ids.begin(), vocabulary - 1);
  return ids;
}

/// `/ids` [n] and `/logits` [n, vocabulary]; written aside and renamed, so that no partial file is ever seen.
void write_logits(const std::filesystem::path& path, std::span<const Token> ids, std::span<const float> logits) {
  const std::filesystem::path aside = path.string() + ".part";
  {
    const io::hdf5::File file = io::hdf5::create_file(aside);
    const std::array<hsize_t, 2> extents = {ids.size(), logits.size() / ids.size()};
    io::hdf5::write_column<std::int32_t>(file.get(), "ids", ids);
    io::hdf5::write_array<float>(file.get(), "logits", logits, extents);
  }
  std::filesystem::rename(aside, path);
}

}  // namespace

int logits_command(const LogitsArguments& arguments) {
  const auto checkpoint = model::Checkpoint::open(arguments.model);
  const int vocabulary = checkpoint->architecture().vocabulary;
  const std::vector<Token> ids = read_ids(arguments.ids, vocabulary);
  const auto length = static_cast<Position>(ids.size());
  validate(length <= checkpoint->architecture().context, "{}: {} ids (the model's context is {}): give fewer",
           arguments.ids, length, checkpoint->architecture().context);
  const std::filesystem::path folder = std::filesystem::absolute(arguments.out).parent_path();
  validate(std::filesystem::is_directory(folder), "--out {} (there is no folder {}): make it first", arguments.out,
           folder.string());
  model::Transformer transformer(checkpoint, {.weights = weight_format_from_name(arguments.weights),
                                              .kv_cache = kv_type_from_name(arguments.kv_cache),
                                              .layers = {},
                                              .slots = 1,
                                              .context = length,
                                              .threads = arguments.threads > 0 ? arguments.threads : usable_cpus()});
  std::vector<float> logits(ids.size() * vocabulary);
  const Position rows = arguments.chunk > 0 ? arguments.chunk : length;
  for (Position begin = 0; begin < length; begin += rows) {
    const Position count = std::min(rows, length - begin);
    transformer.logits(0, std::span(ids).subspan(begin, count),
                       {logits.data() + std::int64_t{begin} * vocabulary, count, vocabulary});
  }
  write_logits(arguments.out, ids, logits);
  return exit_done;
}

}  // namespace pipespec::app
