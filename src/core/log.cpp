#include "core/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>

namespace pipespec::log {

void configure(int rank, int ranks) {
  auto logger = std::make_shared<spdlog::logger>("pipespec", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern(ranks > 1 ? fmt::format("%^%l%$ [rank {}] %v", rank) : std::string("%^%l%$ %v"));
  const char* wanted = std::getenv("PIPESPEC_LOG");
  const auto level = spdlog::level::from_str(wanted != nullptr ? wanted : "info");
  logger->set_level(wanted == nullptr && rank != 0 ? spdlog::level::warn : level);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace pipespec::log
