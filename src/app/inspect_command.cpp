#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <map>
#include <string>

#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "core/error.hpp"
#include "io/ggml_type.hpp"
#include "io/gguf.hpp"
#include "io/printable.hpp"
#include "io/safetensors.hpp"
#include "model/checkpoint.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::app {

namespace {

constexpr double mib = 1024.0 * 1024.0;

/// Tensors as a table, and what each type takes together.
class TensorTable {
 public:
  void add(std::string_view name, std::string_view type, const std::vector<std::int64_t>& shape, std::size_t bytes) {
    fmt::print("  {:<44} {:<6} {:<18} {:>14}\n", io::printable(name), type, fmt::format("[{}]", fmt::join(shape, ", ")),
               bytes);
    Total& total = totals_[std::string(type)];
    ++total.count;
    total.bytes += bytes;
  }

  void print_totals() const {
    for (const auto& [type, total] : totals_)
      fmt::print("  {} tensors of type {}: {:.1f} MiB\n", total.count, type, total.bytes / mib);
  }

 private:
  struct Total {
    int count = 0;
    std::size_t bytes = 0;
  };
  std::map<std::string, Total> totals_;
};

void print_value(const io::GgufFile& file, const io::GgufValue& value) {
  std::string text;
  if (value.type == io::GgufValueType::array) {
    text = fmt::format("{} of {}", value.count, name(value.element_type));
  } else if (value.type == io::GgufValueType::string) {
    text = io::printable(*file.find<std::string_view>(value.key));
  } else if (value.type == io::GgufValueType::boolean) {
    text = *file.find<bool>(value.key) ? "true" : "false";
  } else if (value.type == io::GgufValueType::float32 || value.type == io::GgufValueType::float64) {
    text = fmt::format("{}", *file.find<double>(value.key));
  } else {
    text = fmt::format("{}", *file.find<std::int64_t>(value.key));
  }
  fmt::print("  {:<44} {}\n", io::printable(value.key), text);
}

void print_gguf(const std::string& path) {
  const io::GgufFile file(path);
  const std::string parts = file.parts() > 1 ? fmt::format(" in {} parts", file.parts()) : "";
  fmt::print("{}: GGUF version {}, {:.1f} MiB{}\n\nmetadata\n", path, file.version(), file.file_bytes() / mib, parts);
  for (const io::GgufValue& value : file.metadata()) print_value(file, value);
  fmt::print("\ntensors\n");
  TensorTable table;
  for (const io::GgufTensor& tensor : file.tensors()) {
    const std::vector<std::int64_t> shape(tensor.dims.rbegin(), tensor.dims.rend());  // row-major, as elsewhere
    table.add(tensor.name, io::info(tensor.type).name, shape, tensor.bytes.size());
  }
  table.print_totals();
}

void print_folder(const std::string& path) {
  fmt::print("{}: a folder as Hugging Face writes it\n", path);
  if (!io::SafetensorsFolder::is_there(path)) {
    fmt::print("\ntensors\n  none: neither model.safetensors nor model.safetensors.index.json is there\n");
    return;
  }
  fmt::print("\ntensors\n");
  const io::SafetensorsFolder folder(path);
  TensorTable table;
  for (const io::SafetensorsTensor& tensor : folder.tensors())
    table.add(tensor.name, io::name(tensor.type), tensor.shape, tensor.bytes.size());
  table.print_totals();
}

void print_architecture(const std::string& path) {
  fmt::print("\narchitecture\n");
  const model::Architecture a = model::read_architecture(path);
  fmt::print("  {} layers of width {}, feed-forward {}\n", a.layers, a.width, a.feed_forward);
  fmt::print("  {} heads on {} KV heads of {}\n", a.heads, a.kv_heads, a.head_dim);
  fmt::print("  vocabulary {}, head {}\n", a.vocabulary,
             a.head == model::HeadWeights::tied ? "tied to the embedding" : "of its own");
  fmt::print("  context {}, rotary base {}{}\n", a.context, a.rope_base,
             a.rope_factors.empty() ? "" : ", frequencies scaled");
  fmt::print("  RMS norm epsilon {}{}{}\n", a.rms_epsilon, a.qkv_bias ? ", biases on queries, keys and values" : "",
             a.qk_norm ? ", queries and keys normalised" : "");
}

void print_tokenizer(const std::string& path) {
  fmt::print("\ntokenizer\n");
  const auto tokenizer = text::load_tokenizer(path);
  fmt::print("  {} tokens; end tokens:", tokenizer->vocabulary_size());
  for (const Token token : tokenizer->end_tokens()) {
    const bool is_known = token < tokenizer->vocabulary_size();
    fmt::print(" {} ({})", token, is_known ? io::printable(tokenizer->token_text(token)) : "the model's alone");
  }
  const std::string_view chat_template = tokenizer->chat_template();
  const auto format = text::find_chat_format(chat_template);
  fmt::print("\n  chat form: {}\n", format                  ? text::name(*format)
                                    : chat_template.empty() ? "none"
                                                            : "not one of those known");
  if (!chat_template.empty()) fmt::print("\nchat template\n{}\n", chat_template);
}

/// Prints a part, or in its place why it cannot be had: people look at models that we refuse, too.
template <class Part>
bool print_part(const Part& part) {
  try {
    part();
    return true;
  } catch (const UserError& error) {
    fmt::print("  {}\n", error.what());
    return false;
  }
}

}  // namespace

int inspect_command(const InspectArguments& arguments) {
  const std::string& path = arguments.model;
  if (std::filesystem::is_directory(path)) {
    print_folder(path);
  } else {
    print_gguf(path);
  }
  const bool has_architecture = print_part([&] { print_architecture(path); });
  const bool has_tokenizer = print_part([&] { print_tokenizer(path); });
  return has_architecture || has_tokenizer ? exit_done : exit_wrong_request;
}

}  // namespace pipespec::app
