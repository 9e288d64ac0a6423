/// The columns of the tables of a run: which field of a record has which name. The journal and the HDF5 file both go
/// through these lists, so that a field added here is stored in both.
#pragma once

#include <array>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "core/trace.hpp"

namespace pipespec::results {

/// A field of a record and its name in files.
template <class Record, class Field>
struct Column {
  const char* name;
  Field Record::*field;
};

template <class Record, class Field>
constexpr Column<Record, Field> column(const char* name, Field Record::*field) {
  return {name, field};
}

/// SampleRecord's fields of one value.
inline constexpr std::tuple sample_columns{column("task", &SampleRecord::task),
                                           column("index", &SampleRecord::index),
                                           column("prompt_length", &SampleRecord::prompt_length),
                                           column("finish", &SampleRecord::finish),
                                           column("start", &SampleRecord::start),
                                           column("first_token", &SampleRecord::first_token),
                                           column("end", &SampleRecord::end)};

/// All of StepRecord and of MessageRecord but the sequence, which their trace has.
inline constexpr std::tuple step_columns{
    column("begin", &StepRecord::begin),         column("end", &StepRecord::end),
    column("position", &StepRecord::position),   column("rows", &StepRecord::rows),
    column("offered", &StepRecord::offered),     column("accepted", &StepRecord::accepted),
    column("appended", &StepRecord::appended),   column("wasted", &StepRecord::wasted),
    column("kind", &StepRecord::kind),           column("pass", &StepRecord::pass),
    column("available", &StepRecord::available), column("expected", &StepRecord::expected),
    column("given_up", &StepRecord::given_up),   column("waited", &StepRecord::waited)};

inline constexpr std::tuple message_columns{
    column("time", &MessageRecord::time),           column("kind", &MessageRecord::kind),
    column("direction", &MessageRecord::direction), column("peer", &MessageRecord::peer),
    column("epoch", &MessageRecord::epoch),         column("position", &MessageRecord::position),
    column("count", &MessageRecord::count)};

/// LinkStatistics' counts of one value.
inline constexpr std::tuple link_columns{
    column("passes", &LinkStatistics::passes), column("verify_passes", &LinkStatistics::verify_passes),
    column("wasted", &LinkStatistics::wasted), column("stale", &LinkStatistics::stale),
    column("corrections", &LinkStatistics::corrections)};

inline constexpr std::tuple telemetry_columns{column("attempt", &TelemetryRecord::attempt),
                                              column("experiment", &TelemetryRecord::experiment),
                                              column("rank", &TelemetryRecord::rank),
                                              column("begin", &TelemetryRecord::begin),
                                              column("end", &TelemetryRecord::end),
                                              column("cpu_seconds", &TelemetryRecord::cpu_seconds),
                                              column("peak_memory", &TelemetryRecord::peak_memory),
                                              column("energy", &TelemetryRecord::energy),
                                              column("clock_offset", &TelemetryRecord::clock_offset)};

/// Calls f(column) for each column of a list.
template <class Columns, class F>
constexpr void for_each_column(const Columns& columns, F&& f) {
  std::apply([&](const auto&... each) { (f(each), ...); }, columns);
}

/// The names of an enumeration's values, in order.
template <class Enumeration>
inline constexpr auto enumeration_names = nullptr;
template <>
inline constexpr std::array<std::string_view, 3> enumeration_names<StepKind>{"prefill", "draft", "verify"};
template <>
inline constexpr std::array<std::string_view, 6> enumeration_names<MessageKind>{"tokens", "correction", "progress",
                                                                                "start",  "finish",     "shutdown"};
template <>
inline constexpr std::array<std::string_view, 2> enumeration_names<Direction>{"sent", "received"};
template <>
inline constexpr std::array<std::string_view, 4> enumeration_names<FinishReason>{"end_token", "stop_string", "length",
                                                                                 "context"};

/// A field as the number that is stored.
template <class Field>
constexpr auto stored(Field value) {
  if constexpr (std::is_enum_v<Field>)
    return static_cast<std::uint8_t>(value);
  else if constexpr (std::is_arithmetic_v<Field>)
    return value;
  else
    return value.value;  // an Id
}

template <class Field>
using Stored = decltype(stored(Field{}));

/// The inverse of `stored`.
template <class Field>
constexpr Field restored(Stored<Field> number) {
  if constexpr (std::is_enum_v<Field> || std::is_arithmetic_v<Field>)
    return static_cast<Field>(number);
  else
    return Field{number};
}

}  // namespace pipespec::results
