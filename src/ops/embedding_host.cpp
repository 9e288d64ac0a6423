#include "core/error.hpp"
#include "ops/dequantize.hpp"
#include "ops/embedding.hpp"

namespace pipespec::ops {

void embed(device::Stream& stream, const EmbeddingTable& table, std::span<const Token> tokens, MatrixView<float> y) {
  expect(static_cast<std::int64_t>(tokens.size()) == y.rows && y.cols == table.width, "y has room for the embeddings");
  const std::int64_t bytes = row_bytes(table.type, table.width);
  expect(static_cast<std::int64_t>(table.stored.size()) >= table.vocabulary * bytes, "the stored table is whole");
  for (const Token token : tokens) expect(token >= 0 && token < table.vocabulary, "the token is in the vocabulary");
  stream.pool().parallel_for(y.rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto offset = static_cast<std::size_t>(tokens[static_cast<std::size_t>(r)] * bytes);
      dequantize_row(table.type, table.stored.subspan(offset, static_cast<std::size_t>(bytes)),
                     {y.row(r), static_cast<std::size_t>(y.cols)});
    }
  });
}

}  // namespace pipespec::ops
