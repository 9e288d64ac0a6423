/// A matrix in someone else's memory.
#pragma once

#include <cstdint>
#include <type_traits>

namespace pipespec::ops {

/// [rows, cols], row i at data + i·stride. Owns nothing.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;  ///< elements from one row to the next, ≥ cols

  MatrixView() = default;
  MatrixView(T* first, std::int64_t row_count, std::int64_t col_count)
      : MatrixView(first, row_count, col_count, col_count) {}
  MatrixView(T* first, std::int64_t row_count, std::int64_t col_count, std::int64_t row_stride)
      : data(first), rows(row_count), cols(col_count), stride(row_stride) {}

  T* row(std::int64_t i) const { return data + i * stride; }

  /// `count` rows from `first` on.
  MatrixView row_range(std::int64_t first, std::int64_t count) const { return {row(first), count, cols, stride}; }

  operator MatrixView<const T>() const  // NOLINT: as T* converts to const T*
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }
};

}  // namespace pipespec::ops
