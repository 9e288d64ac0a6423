/// The words of the configuration's enumerations, in the one place where both reading and writing look.
#pragma once

#include "config/reader.hpp"
#include "config/run_config.hpp"

namespace pipespec::config {

inline constexpr Choice<Backend> backend_choices[] = {{"host", Backend::host}};
inline constexpr Choice<DrafterKind> drafter_choices[] = {{"model", DrafterKind::model},
                                                          {"prompt_lookup", DrafterKind::prompt_lookup}};
inline constexpr Choice<Weights> weights_choices[] = {{"native", Weights::native},
                                                      {"bf16", Weights::bf16},
                                                      {"f32", Weights::f32},
                                                      {"int8", Weights::int8},
                                                      {"int4", Weights::int4}};
inline constexpr Choice<KvCache> kv_cache_choices[] = {
    {"auto", KvCache::automatic}, {"int8", KvCache::int8}, {"f16", KvCache::f16}, {"f32", KvCache::f32}};
inline constexpr Choice<Chat> chat_choices[] = {
    {"auto", Chat::automatic}, {"chatml", Chat::chatml}, {"llama-2", Chat::llama2}, {"llama-3", Chat::llama3}};
inline constexpr Choice<Lenience> lenience_choices[] = {
    {"strict", Lenience::strict}, {"trust", Lenience::trust}, {"adaptive", Lenience::adaptive}};
inline constexpr Choice<Strategy> strategy_choices[] = {{"autoregressive", Strategy::autoregressive},
                                                        {"speculative", Strategy::speculative},
                                                        {"pipespec", Strategy::pipespec}};

}  // namespace pipespec::config
