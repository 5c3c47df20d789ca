// Translates standard input, a sentence a line. With reference translations, it says how near to them it came.
//
// Usage: translate MODEL SOURCE-LANGUAGE TARGET-LANGUAGE [REFERENCE-FILE]
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <polymoe/metrics.h>
#include <polymoe/translator.h>

namespace {

std::vector<std::string> read_lines(std::istream& stream) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void run(const std::vector<std::string>& arguments) {
  polymoe::TranslatorOptions options;
  polymoe::Translator translator(arguments[0], options);

  std::vector<std::string> texts;
  for (const polymoe::Translation& translation :
       translator.translate(read_lines(std::cin), arguments[1], arguments[2])) {
    std::cout << translation.text() << '\n';
    texts.push_back(translation.text());
  }
  if (arguments.size() < 4) return;
  std::ifstream file(arguments[3]);
  const std::vector<std::vector<std::string>> references = {read_lines(file)};
  std::cerr << polymoe::corpus_chrf(texts, references).score << " chrF\n";
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() < 3) {
    std::cerr << "usage: translate MODEL SOURCE-LANGUAGE TARGET-LANGUAGE [REFERENCE-FILE]\n";
    return 2;
  }
  try {
    run(arguments);
  } catch (const polymoe::Error& error) {
    std::cerr << "translate: " << error.what() << '\n';
    return 1;
  }
}
