/// make_tiny_gguf OUT [options]: writes a small random LLaMA model as a GGUF file, for tests of the executable.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "support/tiny_gguf.hpp"

int main(int argc, char** argv) {
  using pipespec::io::GgmlType;
  using pipespec::testing::GgufWriter;
  const std::map<std::string, GgmlType> types{
      {"F32", GgmlType::f32},   {"F16", GgmlType::f16},   {"BF16", GgmlType::bf16}, {"Q8_0", GgmlType::q8_0},
      {"Q4_0", GgmlType::q4_0}, {"Q4_1", GgmlType::q4_1}, {"Q5_0", GgmlType::q5_0}, {"Q5_1", GgmlType::q5_1},
      {"Q2_K", GgmlType::q2_k}, {"Q3_K", GgmlType::q3_k}, {"Q4_K", GgmlType::q4_k}, {"Q5_K", GgmlType::q5_k},
      {"Q6_K", GgmlType::q6_k}};
  pipespec::testing::TinyModel model;
  std::string out;
  std::size_t parts = 1;
  CLI::App app("Writes a small random LLaMA model as a GGUF file");
  app.add_option("out", out, "the file to write")->required();
  app.add_option("--layers", model.layers)->capture_default_str();
  app.add_option("--width", model.width)->capture_default_str();
  app.add_option("--heads", model.heads)->capture_default_str();
  app.add_option("--kv-heads", model.kv_heads)->capture_default_str();
  app.add_option("--head-dim", model.head_dim)->capture_default_str();
  app.add_option("--feed-forward", model.feed_forward)->capture_default_str();
  app.add_option("--vocabulary", model.vocabulary)->capture_default_str();
  app.add_option("--context", model.context)->capture_default_str();
  app.add_option("--seed", model.seed)->capture_default_str();
  app.add_option("--parts", parts, "files to cut it into, as gguf-split does")->capture_default_str();
  app.add_option("--type", model.type, "of the matrices")->transform(CLI::CheckedTransformer(types));
  CLI11_PARSE(app, argc, argv);
  try {
    const GgufWriter file = pipespec::testing::make_tiny_gguf(model).file;
    parts == 1 ? file.write(out) : static_cast<void>(GgufWriter::write_parts(file.split(parts), out));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_tiny_gguf: %s\n", error.what());
    return 1;
  }
}
