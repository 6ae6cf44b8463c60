// SPDX-License-Identifier: Apache-2.0
#include "command_line/help.h"

#include <algorithm>
#include <cstddef>

#include "command_line/text.h"

namespace onward {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kIndent = 2;
constexpr std::size_t kGap = 4;
constexpr std::size_t kWidestTerm = 46;  // the text of a wider one begins below it

std::string spaces(std::size_t count) { return std::string(count, ' '); }

std::string usage_text(const std::vector<std::string>& usage) {
  const std::string first = "Usage: ";
  std::string text;
  for (const std::string& form : usage) {
    const std::string before = text.empty() ? first : spaces(first.size());
    bool begun = false;
    // What does not fit goes on below, further in.
    for (const std::string& line : wrap(form, kWidth - first.size() - kGap)) {
      text += (begun ? spaces(first.size() + kGap) : before) + line + "\n";
      begun = true;
    }
  }
  return text;
}

std::string body_text(const std::string& source, std::size_t indent) {
  const std::vector<Paragraph> paragraphs = paragraphs_of(source);
  // It stands further in than the words around it, if there are any.
  const bool is_alone = std::ranges::all_of(paragraphs, &Paragraph::verbatim);
  std::string text;
  for (const Paragraph& paragraph : paragraphs) {
    if (!text.empty()) text += "\n";
    if (paragraph.verbatim) {
      for (const std::string& line : paragraph.lines) text += spaces(is_alone ? 0 : indent) + line + "\n";
      continue;
    }
    std::string words;
    for (const std::string& line : paragraph.lines) words += line + " ";
    for (const std::string& line : wrap(words, kWidth - indent)) text += spaces(indent) + line + "\n";
  }
  return text;
}

std::string list_text(const std::vector<Definition>& list) {
  std::size_t widest = 0;
  for (const Definition& definition : list) {
    const std::size_t width = columns(definition.term);
    if (width <= kWidestTerm) widest = std::max(widest, width);
  }
  const std::size_t column = kIndent + widest + kGap;
  std::string text;
  for (const Definition& definition : list) {
    std::string before = spaces(kIndent) + definition.term;
    if (columns(before) + kGap > column) {
      text += before + "\n";
      before.clear();
    }
    for (const std::string& line : wrap(definition.text, kWidth - column)) {
      text.append(before).append(column - columns(before), ' ').append(line).append("\n");
      before.clear();
    }
    if (!before.empty()) text += before + "\n";
  }
  return text;
}

}  // namespace

std::string help_text(const Document& document) {
  std::string text = usage_text(document.usage);
  if (!document.description.empty()) text += "\n" + body_text(document.description, 0);
  for (const Section& section : document.sections) {
    text += "\n" + section.title + ":\n";
    if (!section.text.empty()) text += body_text(section.text, kIndent);
    if (!section.text.empty() && !section.list.empty()) text += "\n";
    text += list_text(section.list);
  }
  if (!document.see_also.empty()) {
    std::string others;
    for (const std::string& other : document.see_also) {
      if (!others.empty()) others += ", ";
      others += other.ends_with(')') ? other : "`" + other + " --help`";
    }
    text += "\nSee also:\n" + body_text(others, kIndent);
  }
  return text;
}

}  // namespace onward
