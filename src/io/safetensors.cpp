#include "io/safetensors.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/printable.hpp"

namespace pipespec::io {

namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

/// tensor → shard
std::map<std::string, std::string> read_weight_map(const std::filesystem::path& index) {
  const nlohmann::json root = read_json_file(index);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  validate(root.is_object() && map != root.end() && map->is_object() && !map->empty(),
           "{} has no weight_map (it says which shard holds which tensor): get the file again", index.string());
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    validate(shard.is_string(), "{}: the shard of {} is no file name: get the file again", index.string(),
             printable(tensor));
    const auto name = shard.get<std::string>();
    const auto is_control = [](char character) { return static_cast<unsigned char>(character) < ' '; };
    const bool is_plain = !name.empty() && name.find('/') == std::string::npos && name != "." && name != ".." &&
                          std::ranges::none_of(name, is_control);
    validate(is_plain, "{}: the shard \"{}\" of {} is no file of this folder: get the file again", index.string(),
             printable(name), printable(tensor));
    shards.emplace(tensor, name);
  }
  return shards;
}

}  // namespace

bool SafetensorsFolder::is_there(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / single_name) || std::filesystem::exists(folder / index_name);
}

SafetensorsFolder::SafetensorsFolder(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / single_name)) {  // of both, transformers takes this one, too
    open_file(folder / single_name);
  } else {
    open_shards(folder / index_name);
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const bool is_new = index_.emplace(tensors_[i].name, i).second;
    validate(is_new, "{}: two shards hold the tensor {}: get the files again", folder.string(),
             printable(tensors_[i].name));
  }
}

void SafetensorsFolder::open_file(const std::filesystem::path& file) {
  files_.emplace_back(file);
  std::vector<SafetensorsTensor> found = parse_safetensors(files_.back().bytes(), file.string());
  std::move(found.begin(), found.end(), std::back_inserter(tensors_));
}

void SafetensorsFolder::open_shards(const std::filesystem::path& index) {
  const std::map<std::string, std::string> weight_map = read_weight_map(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  for (const std::string& shard : shards) {
    const std::size_t first = tensors_.size();
    open_file(index.parent_path() / shard);
    for (std::size_t i = first; i < tensors_.size(); ++i) {
      const auto listed = weight_map.find(tensors_[i].name);
      validate(listed != weight_map.end() && listed->second == shard,
               "{} holds the tensor {} (the index {} does not say so): get the files again",
               (index.parent_path() / shard).string(), printable(tensors_[i].name), index.string());
    }
  }
  validate(tensors_.size() == weight_map.size(), "{} lists {} tensors and the shards hold {}: get the files again",
           index.string(), weight_map.size(), tensors_.size());
}

const SafetensorsTensor* SafetensorsFolder::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace pipespec::io
