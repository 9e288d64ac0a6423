#include "ops/packed_matrix.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "ops/super_block.hpp"

namespace pipespec::ops {
namespace {

constexpr std::int64_t width = PackedMatrix::tile_outputs;

std::size_t cache_lines(std::int64_t bytes) {
  return static_cast<std::size_t>((bytes + 63) / 64 * 64);
}

/// Bytes of the scales (and minima) at the start of a quantised tile of `blocks` blocks of 32 inputs.
std::size_t head_bytes(WeightType type, std::int64_t blocks) {
  const TileFormat format = tile_format(type);
  return cache_lines(width * (blocks / format.blocks_of_a_d * format.halves() * 2 + blocks * format.factors()));
}

std::size_t bytes_of_tile(WeightType type, std::int64_t cols) {
  switch (type) {
    case WeightType::f32:
      return cache_lines(cols * width * 4);
    case WeightType::f16:
      return cache_lines(cols * width * 2);
    case WeightType::bf16:
      return cache_lines((cols + 1) / 2 * width * 4);
    default:
      return head_bytes(type, cols / 32) + static_cast<std::size_t>(cols * width * tile_format(type).code_bits / 8);
  }
}

/// Element k of output `lane` goes to place k·16 + lane.
void place_elements(const std::byte* row, std::int64_t cols, std::int64_t size, std::int64_t lane, std::byte* tile) {
  for (std::int64_t k = 0; k < cols; ++k) std::memcpy(tile + (k * width + lane) * size, row + k * size, size);
}

void place_bf16_pairs(const std::byte* row, std::int64_t cols, std::int64_t lane, std::byte* tile) {
  for (std::int64_t k = 0; k < cols; ++k) std::memcpy(tile + ((k / 2 * width + lane) * 2 + k % 2) * 2, row + k * 2, 2);
}

/// Scales (and minima) to the head of the tile, codes in groups of four bytes behind it.
void place_blocks(WeightType type, const std::byte* row, std::int64_t cols, std::int64_t lane, std::byte* tile) {
  const BlockFormat format = block_format(type);
  const std::int64_t blocks = cols / format.length;
  const std::int64_t header = tile_format(type).halves() * 2;
  const std::int64_t groups = (format.bytes - header) / 4;
  const std::uint32_t zero_point = type == WeightType::q8_0 ? 0x80808080u : 0u;  // signed to unsigned
  std::byte* codes = tile + head_bytes(type, blocks);
  for (std::int64_t b = 0; b < blocks; ++b, row += format.bytes) {
    std::memcpy(tile + (b * width + lane) * 2, row, 2);
    if (header == 4) std::memcpy(tile + ((blocks + b) * width + lane) * 2, row + 2, 2);
    for (std::int64_t g = 0; g < groups; ++g) {
      std::uint32_t four;
      std::memcpy(&four, row + header + g * 4, 4);
      four ^= zero_point;
      std::memcpy(codes + ((b * groups + g) * width + lane) * 4, &four, 4);
    }
  }
}

/// The codes of 32 inputs of output `lane` to their places.
void place_codes(const TileFormat& format, const std::int8_t* from, std::int64_t lane, std::byte* codes) {
  const auto code = [&](std::int64_t i) { return static_cast<unsigned>(from[i] + format.zero_point); };
  for (std::int64_t i = 0; i < 4 * format.code_bits; ++i) {
    const unsigned byte = format.code_bits == 8 ? code(i) : code(i) | code(i + 16) << 4;
    codes[(i / 4 * width + lane) * 4 + i % 4] = static_cast<std::byte>(byte);
  }
}

void place_super_blocks(WeightType type, const std::byte* row, std::int64_t cols, std::int64_t lane, std::byte* tile) {
  const TileFormat format = tile_format(type);
  const std::int64_t super_blocks = cols / SuperBlock::length;
  const auto put_half = [&](std::int64_t index, std::uint16_t half) {
    std::memcpy(tile + (index * width + lane) * 2, &half, 2);
  };
  std::byte* factor = tile + super_blocks * format.halves() * width * 2 + lane;
  const auto add_factor = [&](std::int8_t value) {
    *factor = static_cast<std::byte>(value);
    factor += width;
  };
  std::byte* codes = tile + head_bytes(type, cols / 32);
  for (std::int64_t s = 0; s < super_blocks; ++s, row += block_format(type).bytes) {
    const SuperBlock block = unpack_super_block(type, row);
    put_half(s, block.d);
    if (format.has_minimum) put_half(super_blocks + s, block.dmin ^ 0x8000u);  // ggml's is taken off, the tile's added
    for (std::size_t run = 0; run < static_cast<std::size_t>(SuperBlock::length / block.run); ++run) {
      add_factor(block.scales[run]);
      if (format.has_minimum) add_factor(block.minima[run]);
    }
    for (std::int64_t i = 0; i < SuperBlock::length; i += 32, codes += width * 4 * format.code_bits)
      place_codes(format, block.codes.data() + i, lane, codes);
  }
}

void place_row(WeightType type, const std::byte* row, std::int64_t cols, std::int64_t lane, std::byte* tile) {
  switch (type) {
    case WeightType::f32:
      return place_elements(row, cols, 4, lane, tile);
    case WeightType::f16:
      return place_elements(row, cols, 2, lane, tile);
    case WeightType::bf16:
      return place_bf16_pairs(row, cols, lane, tile);
    case WeightType::q4_k:
    case WeightType::q6_k:
      return place_super_blocks(type, row, cols, lane, tile);
    default:
      return place_blocks(type, row, cols, lane, tile);
  }
}

}  // namespace

std::size_t PackedMatrix::bytes(WeightType type, std::int64_t out, std::int64_t in) {
  return static_cast<std::size_t>((out + width - 1) / width) * bytes_of_tile(type, in);
}

PackedMatrix::PackedMatrix(WeightType type, std::int64_t out, std::int64_t in, std::span<std::byte> memory)
    : type_(type), out_(out), in_(in), data_(memory) {
  expect(out >= 1 && in >= 1, "a weight matrix has elements");
  expect(has_kernel(type), "only types with a kernel are packed");
  expect(in % block_format(type).length == 0, "a row holds whole blocks");
  expect(memory.size() == bytes(type, out, in), "the memory is that of the matrix");
  tile_bytes_ = bytes_of_tile(type, in);
  codes_offset_ = is_quantized(type) ? head_bytes(type, in / 32) : 0;
}

PackedMatrix::PackedMatrix(WeightType type, std::int64_t out, std::int64_t in, device::Buffer<std::byte> own)
    : PackedMatrix(type, out, in, own.span()) {
  own_ = std::move(own);
}

PackedMatrix::PackedMatrix(WeightType type, std::int64_t out, std::int64_t in)
    : PackedMatrix(type, out, in, device::Buffer<std::byte>(bytes(type, out, in))) {}

void PackedMatrix::set_row(std::int64_t row, std::span<const std::byte> stored) {
  expect(row >= 0 && row < out_, "the row exists");
  expect(static_cast<std::int64_t>(stored.size()) >= row_bytes(type_, in_), "the stored row is whole");
  place_row(type_, stored.data(), in_, row % width, data_.data() + static_cast<std::size_t>(row / width) * tile_bytes_);
}

}  // namespace pipespec::ops
