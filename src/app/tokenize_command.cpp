#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "core/error.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::app {

namespace {

using Json = nlohmann::json;

/// {"text": …} to {"ids": […]}, or back.
Json convert(const Json& line, const text::Tokenizer& tokenizer, bool decode) {
  if (decode) return {{"text", tokenizer.decode(line.at("ids").get<std::vector<Token>>())}};
  return {{"ids", tokenizer.encode(line.at("text").get<std::string>())}};
}

void convert_lines(std::istream& in, const std::string& name, const text::Tokenizer& tokenizer, bool decode) {
  std::string line;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    try {
      const Json result = convert(Json::parse(line), tokenizer, decode);
      // An output that ends inside a character is not UTF-8; JSON can only show a replacement character there.
      std::cout << result.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    } catch (const Json::exception&) {
      reject("{}:{}: not a line {} (JSON of another form): one object a line", name, number,
             decode ? "{\"ids\": [...]}" : "{\"text\": ...}");
    } catch (const UserError& e) {
      reject("{}:{}: {}", name, number, e.what());
    }
  }
}

std::vector<Token> parse_ids(const std::string& text) {
  try {
    return Json::parse(text).get<std::vector<Token>>();
  } catch (const Json::exception&) {
    reject("--text {} (with --decode, a list of ids is expected): [1, 2, 3]", text);
  }
}

}  // namespace

int tokenize_command(const TokenizeArguments& arguments) {
  const auto tokenizer = text::load_tokenizer(arguments.model);
  if (arguments.text) {
    if (arguments.decode) {
      fmt::print("{}\n", tokenizer->decode(parse_ids(*arguments.text)));
    } else {
      fmt::print("{}\n", Json(tokenizer->encode(*arguments.text)).dump());
    }
  } else if (*arguments.jsonl == "-") {
    convert_lines(std::cin, "stdin", *tokenizer, arguments.decode);
  } else {
    std::ifstream file(*arguments.jsonl);
    validate(file.is_open(), "{}: cannot be read: check the path given to --jsonl", *arguments.jsonl);
    convert_lines(file, *arguments.jsonl, *tokenizer, arguments.decode);
  }
  return exit_done;
}

}  // namespace pipespec::app
