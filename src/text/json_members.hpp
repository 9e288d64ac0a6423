/// Members of JSON objects that may be missing.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pipespec::text {

/// The member of an object; nullptr where it is missing, null, or there is no object.
inline const nlohmann::json* find(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// Whether the member is there and true.
inline bool is_true(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = find(object, key);
  return value != nullptr && *value == true;
}

/// The member's text; empty where it is none.
inline std::string text_at(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

}  // namespace pipespec::text
