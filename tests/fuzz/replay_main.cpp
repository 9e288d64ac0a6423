/// Feeds a fuzz target every file of its corpus: the findings of past runs stay found without a fuzzer.
/// usage: PROGRAM FOLDER      exit status 0: every file was read or refused; 2: the folder holds none
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "fuzz/fuzz_target.hpp"

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: " << arguments[0] << " FOLDER\n";
    return 2;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> input(std::istreambuf_iterator<char>(file), {});
    std::cout << entry.path().filename().string() << std::endl;  // flushed: the last line names what crashed
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    ++files;
  }
  std::cout << files << " files replayed\n";
  return files > 0 ? 0 : 2;
}
