// SPDX-License-Identifier: Apache-2.0
#include "command_line/manual.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "command_line/text.h"

namespace onward {
namespace {

// Before escapes make lines longer: checkers of style want 80 at most.
constexpr std::size_t kSourceWidth = 60;
constexpr std::size_t kSynopsisWidth = 30;

std::string with_dashes(std::string name) {
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// One code point of UTF-8 at the front of `text`, which loses it. Texts are our own, and so well formed.
std::string take_wide(std::string_view& text) {
  constexpr unsigned kContinuationMask = 0x3F;
  constexpr unsigned kContinuationBits = 6;
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  std::uint32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length && i < text.size(); ++i) {
    code = (code << kContinuationBits) | (static_cast<unsigned char>(text[i]) & kContinuationMask);
  }
  text.remove_prefix(std::min(length, text.size()));
  char escape[sizeof "\\[u10FFFF]"];
  std::snprintf(escape, sizeof escape, "\\[u%04X]", code);
  return escape;
}

// So that roff prints the very same characters, and a reader can copy them.
std::string escaped(std::string_view text) {
  constexpr unsigned kAscii = 0x80;
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    if (static_cast<unsigned char>(c) >= kAscii) {
      out += take_wide(text);
      continue;
    }
    text.remove_prefix(1);
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '"':
        out += "\\(dq";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// A line of its own. One that would begin with a control character does not.
std::string source_line(const std::string& line) { return (line.starts_with('.') ? "\\&" : "") + line + "\n"; }

std::string in_font(char font, const std::string& text) { return std::string("\\f") + font + escaped(text) + "\\fR"; }

// Names of values, which stand in capitals, are italic; what is to be typed is bold; brackets are neither.
std::string syntax(const std::string& text) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_word(text[end]) == is_word(text[at])) ++end;
    const std::string part = text.substr(at, end - at);
    at = end;
    if (!is_word(part.front())) {
      out += escaped(part);
      continue;
    }
    const bool is_value = part.size() > 1 && std::ranges::all_of(part, [](char c) {
                            return std::isupper(static_cast<unsigned char>(c)) != 0 || c == '_';
                          });
    out += in_font(is_value || part == "N" ? 'I' : 'B', part);
  }
  return out;
}

// Wrapped; what is in `backticks` is bold.
std::string prose(const std::string& words) {
  std::string text;
  bool open = false;
  for (const std::string& line : wrap(words, kSourceWidth)) {
    std::string out;
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t tick = std::min(line.find('`', at), line.size());
      out += escaped(std::string_view(line).substr(at, tick - at));
      if (tick < line.size()) out += (open = !open) ? "\\fB" : "\\fR";
      at = tick + 1;
    }
    text += source_line(out);
  }
  return text;
}

std::string body(const std::string& source) {
  std::string text;
  for (const Paragraph& paragraph : paragraphs_of(source)) {
    if (!text.empty()) text += ".PP\n";
    if (paragraph.verbatim) {
      text += ".nf\n";
      for (const std::string& line : paragraph.lines) text += source_line(escaped(line));
      text += ".fi\n";
    } else {
      std::string words;
      for (const std::string& line : paragraph.lines) words += line + " ";
      text += prose(words);
    }
  }
  return text;
}

}  // namespace

std::string manual_page(const Document& document, const std::string& release, const std::string& date) {
  const std::string name = with_dashes(document.name);
  std::string text = ".\\\" Made from the declarations of the program's commands.\n";
  text += ".TH \"" + escaped(upper(name)) + "\" 1 \"" + date + "\" \"" + escaped(release) + "\"\n";
  text += ".nh\n.ad l\n";
  text += ".SH NAME\n" + escaped(name) + " \\- " + escaped(document.summary) + "\n";
  text += ".SH SYNOPSIS\n";
  for (const std::string& form : document.usage) {
    if (&form != &document.usage.front()) text += ".br\n";
    for (const std::string& line : wrap(form, kSynopsisWidth)) text += source_line(syntax(line));
  }
  if (!document.description.empty()) text += ".SH DESCRIPTION\n" + body(document.description);
  for (const Section& section : document.sections) {
    text += ".SH \"" + escaped(upper(section.title)) + "\"\n" + body(section.text);
    const bool is_syntax = section.title != "Environment";  // whose names stand in capitals, too
    for (const Definition& definition : section.list) {
      text += ".TP\n" + source_line(is_syntax ? syntax(definition.term) : in_font('B', definition.term));
      text += prose(definition.text);
    }
  }
  std::string others;
  for (const std::string& other : document.see_also) {
    others += (others.empty() ? "" : ",\n") + in_font('B', with_dashes(other.substr(0, other.find('('))));
    others += other.ends_with(')') ? other.substr(other.find('(')) : "(1)";
  }
  if (!others.empty()) text += ".SH \"SEE ALSO\"\n" + others + "\n";
  return text;
}

}  // namespace onward
