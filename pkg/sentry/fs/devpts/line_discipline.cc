// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/devpts/line_discipline.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace cvisor::fs::devpts {
namespace {

constexpr uint8_t kDisabled = 0;  // _POSIX_VDISABLE
constexpr size_t kTabWidth = 8;

bool IsControl(uint8_t c) { return c < 0x20 || c == 0x7f; }
// Bytes after the first of a UTF-8 sequence: they take no column of their own.
bool IsContinuation(uint8_t c) { return (c & 0xc0) == 0x80; }

}  // namespace

LineDiscipline::LineDiscipline() : termios_{} {
  termios_.iflag = ICRNL | IXON;
  termios_.oflag = OPOST | ONLCR;
  termios_.cflag = B38400 | CS8 | CREAD;
  termios_.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  termios_.cc[VINTR] = 3;
  termios_.cc[VQUIT] = 28;
  termios_.cc[VERASE] = 127;
  termios_.cc[VKILL] = 21;
  termios_.cc[VEOF] = 4;
  termios_.cc[VMIN] = 1;
  termios_.cc[VSTART] = 17;
  termios_.cc[VSTOP] = 19;
  termios_.cc[VSUSP] = 26;
  termios_.cc[VREPRINT] = 18;
  termios_.cc[VDISCARD] = 15;
  termios_.cc[VWERASE] = 23;
  termios_.cc[VLNEXT] = 22;
}

bool LineDiscipline::canonical() const { return (termios_.lflag & ICANON) != 0; }

bool LineDiscipline::Is(uint8_t c, int index) const {
  return termios_.cc[index] != kDisabled && termios_.cc[index] == c;
}

void LineDiscipline::SetTermios(const linux_abi::KernelTermios& t) {
  const bool was_canonical = canonical();
  termios_ = t;
  if (was_canonical && !canonical()) {
    // What was typed so far can be read at once.
    Append(std::exchange(line_, {}), /*boundary=*/false);
  } else if (!was_canonical && canonical() && !ready_.empty()) {
    boundaries_.push_back(consumed_ + ready_.size());
  }
  if ((termios_.iflag & IXON) == 0) output_stopped_ = false;
}

void LineDiscipline::Append(std::string_view bytes, bool boundary) {
  ready_ += bytes;
  if (boundary) boundaries_.push_back(consumed_ + ready_.size());
}

size_t LineDiscipline::Input(std::string_view bytes, std::vector<int>* signals) {
  size_t taken = 0;
  for (const char c : bytes) {
    // A canonical line may always be ended or edited; other input waits until there is room.
    if (!canonical() && ready_.size() >= kMaxInput) break;
    InputByte(static_cast<uint8_t>(c), signals);
    ++taken;
  }
  return taken;
}

void LineDiscipline::InputByte(uint8_t c, std::vector<int>* signals) {
  const uint32_t iflag = termios_.iflag, lflag = termios_.lflag;
  if ((iflag & ISTRIP) != 0) c &= 0x7f;
  if ((iflag & IUCLC) != 0 && (lflag & IEXTEN) != 0) c = static_cast<uint8_t>(tolower(c));

  if (literal_next_) {
    literal_next_ = false;
    if (canonical()) {
      if (line_.size() < kMaxInput - 1) line_ += static_cast<char>(c);
    } else {
      Append(std::string_view(reinterpret_cast<const char*>(&c), 1), false);
    }
    if ((lflag & ECHO) != 0) Echo(c);
    return;
  }

  if ((iflag & IXON) != 0) {
    if (Is(c, VSTOP)) {
      // The same key may do both.
      output_stopped_ = !(output_stopped_ && Is(c, VSTART));
      return;
    }
    if (Is(c, VSTART)) {
      output_stopped_ = false;
      return;
    }
    if ((iflag & IXANY) != 0) output_stopped_ = false;
  }

  if ((lflag & ISIG) != 0) {
    const int sig = Is(c, VINTR) ? SIGINT : Is(c, VQUIT) ? SIGQUIT : Is(c, VSUSP) ? SIGTSTP : 0;
    if (sig != 0) {
      if ((lflag & NOFLSH) == 0) {
        FlushInput();
        FlushOutput();
      }
      output_stopped_ = false;
      if ((lflag & ECHO) != 0) Echo(c);
      signals->push_back(sig);
      return;
    }
  }

  if (c == '\r') {
    if ((iflag & IGNCR) != 0) return;
    if ((iflag & ICRNL) != 0) c = '\n';
  } else if (c == '\n' && (iflag & INLCR) != 0) {
    c = '\r';
  }

  if (canonical()) {
    CanonicalByte(c);
    return;
  }
  if ((lflag & IEXTEN) != 0 && Is(c, VLNEXT)) {
    literal_next_ = true;
    if ((lflag & ECHO) != 0 && (lflag & ECHOCTL) != 0) output_ += "^\b";
    return;
  }
  Append(std::string_view(reinterpret_cast<const char*>(&c), 1), false);
  if ((lflag & ECHO) != 0) Echo(c);
}

void LineDiscipline::CanonicalByte(uint8_t c) {
  const uint32_t lflag = termios_.lflag;
  if (Is(c, VERASE) || (c == '\b' && Is('\b', VERASE))) return EraseOne();
  if ((lflag & IEXTEN) != 0 && Is(c, VWERASE)) return EraseWord();
  if (Is(c, VKILL)) return KillLine();
  if ((lflag & IEXTEN) != 0 && Is(c, VLNEXT)) {
    literal_next_ = true;
    if ((lflag & ECHO) != 0 && (lflag & ECHOCTL) != 0) output_ += "^\b";
    return;
  }
  if ((lflag & IEXTEN) != 0 && (lflag & ECHO) != 0 && Is(c, VREPRINT)) {
    Echo(c);
    OutputByte('\n');
    for (const char k : line_) Echo(static_cast<uint8_t>(k));
    return;
  }
  if (Is(c, VEOF)) {
    // Ends the read without a byte of its own.
    Append(std::exchange(line_, {}), /*boundary=*/true);
    return;
  }
  if (c == '\n' || Is(c, VEOL) || ((lflag & IEXTEN) != 0 && Is(c, VEOL2))) {
    if ((lflag & (ECHO | ECHONL)) != 0 && c == '\n') {
      OutputByte('\n');
    } else if ((lflag & ECHO) != 0) {
      Echo(c);
    }
    line_ += static_cast<char>(c);
    Append(std::exchange(line_, {}), /*boundary=*/true);
    return;
  }
  if (line_.size() + ready_.size() >= kMaxInput - 1) {
    if ((termios_.iflag & IMAXBEL) != 0) output_ += '\a';
    return;
  }
  line_ += static_cast<char>(c);
  if ((lflag & ECHO) != 0) Echo(c);
}

void LineDiscipline::Echo(uint8_t c) {
  if (output_.size() >= kMaxOutput) return;
  if ((termios_.lflag & ECHOCTL) != 0 && IsControl(c) && c != '\t' && c != '\n') {
    output_ += '^';
    output_ += static_cast<char>(c ^ 0x40);
    column_ += 2;
    return;
  }
  OutputByte(c);
}

// Columns that character `index` of the line takes on the terminal.
size_t LineDiscipline::EchoWidth(size_t index) const {
  const uint8_t c = static_cast<uint8_t>(line_[index]);
  if (c == '\t') {
    size_t column = 0;
    for (size_t i = 0; i < index; ++i) column += EchoWidth(i);
    return kTabWidth - column % kTabWidth;
  }
  if (IsControl(c)) return (termios_.lflag & ECHOCTL) != 0 ? 2 : 0;
  return (termios_.iflag & IUTF8) != 0 && IsContinuation(c) ? 0 : 1;
}

void LineDiscipline::EraseOne() {
  if (line_.empty()) return;
  size_t width = 0;
  // With IUTF8 a whole character goes.
  while (!line_.empty()) {
    const uint8_t c = static_cast<uint8_t>(line_.back());
    width += EchoWidth(line_.size() - 1);
    line_.pop_back();
    if ((termios_.iflag & IUTF8) == 0 || !IsContinuation(c)) break;
  }
  const uint32_t lflag = termios_.lflag;
  if ((lflag & ECHO) == 0) return;
  if ((lflag & ECHOE) == 0) {
    Echo(termios_.cc[VERASE]);
    return;
  }
  for (size_t i = 0; i < width; ++i) output_ += "\b \b";
  column_ -= std::min(column_, width);
}

void LineDiscipline::EraseWord() {
  const auto is_word = [](char c) { return isalnum(static_cast<uint8_t>(c)) || c == '_'; };
  while (!line_.empty() && !is_word(line_.back())) EraseOne();
  while (!line_.empty() && is_word(line_.back())) EraseOne();
}

void LineDiscipline::KillLine() {
  const uint32_t lflag = termios_.lflag;
  if ((lflag & ECHO) != 0 && (lflag & ECHOKE) != 0 && (lflag & ECHOE) != 0) {
    while (!line_.empty()) EraseOne();
    return;
  }
  line_.clear();
  if ((lflag & ECHO) == 0) return;
  Echo(termios_.cc[VKILL]);
  if ((lflag & ECHOK) != 0) OutputByte('\n');
}

size_t LineDiscipline::Output(std::string_view bytes) {
  size_t taken = 0;
  for (const char c : bytes) {
    if (output_.size() >= kMaxOutput) break;
    OutputByte(static_cast<uint8_t>(c));
    ++taken;
  }
  return taken;
}

void LineDiscipline::OutputByte(uint8_t c) {
  const uint32_t oflag = termios_.oflag;
  if ((oflag & OPOST) == 0) {
    output_ += static_cast<char>(c);
    return;
  }
  switch (c) {
    case '\n':
      if ((oflag & ONLRET) != 0) column_ = 0;
      if ((oflag & ONLCR) != 0) {
        output_ += '\r';
        column_ = 0;
      }
      output_ += '\n';
      return;
    case '\r':
      if ((oflag & ONOCR) != 0 && column_ == 0) return;
      if ((oflag & OCRNL) != 0) {
        if ((oflag & ONLRET) != 0) column_ = 0;
        output_ += '\n';
        return;
      }
      column_ = 0;
      output_ += '\r';
      return;
    case '\t': {
      const size_t spaces = kTabWidth - column_ % kTabWidth;
      column_ += spaces;
      if ((oflag & TABDLY) == XTABS) {
        output_.append(spaces, ' ');
      } else {
        output_ += '\t';
      }
      return;
    }
    case '\b':
      if (column_ > 0) --column_;
      output_ += '\b';
      return;
    default:
      if ((oflag & OLCUC) != 0) c = static_cast<uint8_t>(toupper(c));
      if (!IsControl(c) && !((termios_.iflag & IUTF8) != 0 && IsContinuation(c))) ++column_;
      output_ += static_cast<char>(c);
  }
}

bool LineDiscipline::ReadReady() const {
  return canonical() ? !boundaries_.empty() : !ready_.empty();
}

size_t LineDiscipline::ReadableBytes() const {
  if (!canonical()) return ready_.size();
  return boundaries_.empty() ? 0 : boundaries_.back() - consumed_;
}

std::string LineDiscipline::Read(size_t max) {
  size_t n = std::min(max, ready_.size());
  if (canonical()) {
    if (boundaries_.empty()) return "";
    n = std::min<uint64_t>(n, boundaries_.front() - consumed_);
  }
  std::string out = ready_.substr(0, n);
  ready_.erase(0, n);
  consumed_ += n;
  while (!boundaries_.empty() && boundaries_.front() <= consumed_) {
    boundaries_.pop_front();
    if (canonical()) break;  // an end of file typed right after the line is a read of its own
  }
  return out;
}

void LineDiscipline::FlushInput() {
  consumed_ += ready_.size();
  ready_.clear();
  line_.clear();
  boundaries_.clear();
}

}  // namespace cvisor::fs::devpts
